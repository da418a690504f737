"""A users x items matrix made ready for `neighbours` and `predict_ratings`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import ComparedRows, Csr, Float64, GivenRows, Int64

AXES = ("items", "users")


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """A matrix read both ways, checked, with the sums that measures need; for calls that ask for few rows each.

    Made by `Interactions.of`, once, in about the time of copying the matrix three times.
    """

    by_user: Csr  # users x items, indices ascending
    by_item: Csr  # the same transposed
    users: ComparedRows
    items: ComparedRows
    mean: float  # of all entries, 0 where there are none

    @classmethod
    def of(cls, interactions_csr: Any) -> "Interactions":
        """A Csr, scipy csr_matrix or anything with indptr, indices, data and shape; data are read as float32."""
        if isinstance(interactions_csr, cls):
            return interactions_csr
        checked = checks.sparse_matrix("interactions_csr", interactions_csr)
        # Copies, as the caller may go on to change his matrix, and what was checked must stay so.
        by_user = Csr(checked.indptr.copy(), checked.indices.copy(), checked.data.copy(), checked.shape)
        by_item = dispatch.active().transpose(by_user)
        user_sums, user_squares = dispatch.active().row_totals(by_user)
        item_sums, item_squares = dispatch.active().row_totals(by_item)
        users = _compared(by_user, user_squares, by_item, item_sums)
        items = _compared(by_item, item_squares, by_user, user_sums)
        return cls(by_user, by_item, users, items, float(user_sums.sum()) / max(1, by_user.data.size))

    def rows(self, axis: str) -> Csr:
        """The users, or the items."""
        return self.by_user if axis == "users" else self.by_item

    def compared(self, axis: str) -> ComparedRows:
        """The rows of an axis as those among which neighbours are sought."""
        return self.users if axis == "users" else self.items

    def sizes(self, axis: str) -> Int64:
        """How many entries each row of an axis has."""
        return self.compared(axis).sizes_R

    def means(self, axis: str) -> Float64:
        """The mean of the entries of each row of an axis, 0 where it has none."""
        return self.compared(other_axis(axis)).column_means_C

    def given(self, axis: str, rows: Int64 | None) -> GivenRows:
        """Some rows of an axis, or all, as those whose neighbours are sought."""
        matrix = self.rows(axis)
        if rows is None:
            return GivenRows(*matrix[:3], np.arange(matrix.shape[0]), matrix.shape[1], True)
        sizes_G = self.sizes(axis)[rows]
        indptr = np.concatenate(([0], np.cumsum(sizes_G)))
        places = np.arange(indptr[-1]) + np.repeat(matrix.indptr[rows] - indptr[:-1], sizes_G)
        return GivenRows(indptr, matrix.indices[places], matrix.data[places], rows, matrix.shape[1], False)


def other_axis(axis: str) -> str:
    """Items for users, users for items."""
    return AXES[1 - AXES.index(axis)]


def _compared(rows: Csr, squares_R: Float64, columns: Csr, column_sums_C: Float64) -> ComparedRows:
    means_C = column_sums_C / np.maximum(1, np.diff(columns.indptr))
    return ComparedRows(columns, squares_R, np.sqrt(squares_R), np.diff(rows.indptr), means_C)
