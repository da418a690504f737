"""Popularity: the events of an item, each worth half as much per half-life of age.

N items, B queries, K results, M candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.dataset import DISLIKE, Dataset
from shortlist_training.data.queries import Queries, Task
from shortlist_training.metrics import mean_ndcg
from shortlist_training.package import Draft
from shortlist_training.recipes import PopularSettings


@dataclass(frozen=True, slots=True, eq=False)
class Popular:
    """The `popular` source."""

    popularity_N: NDArray[np.float64]
    name: str = "popular"
    needs_history: bool = False

    def retrieve(
        self, queries: Queries, k: int, allowed_N: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The most popular items each user has not seen, ties by row."""
        scores_N = self.popularity_N.astype(np.float32)
        order = np.argsort(-scores_N, kind="stable")
        order = order[allowed_N[order]]
        scores_BK = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows_BK = np.full((len(queries), k), -1, dtype=np.int64)
        for query in range(len(queries)):
            seen = queries.seen.of(query)
            head = order[: k + len(seen)]
            rows = head[~np.isin(head, seen)][:k]
            rows_BK[query, : len(rows)] = rows
            scores_BK[query, : len(rows)] = scores_N[rows]
        return scores_BK, rows_BK

    def score(self, queries: Queries, rows_BM: NDArray[np.int64]) -> NDArray[np.float32]:
        """The popularity of every candidate."""
        return np.where(rows_BM < 0, np.float32(0), self.popularity_N.astype(np.float32)[rows_BM])

    def export(self, draft: Draft) -> dict[str, object]:
        """The scores travel as the column `popularity` of items.parquet."""
        draft.set_popularity(self.popularity_N)
        return {"name": self.name, "type": "popular"}


def fit(dataset: Dataset, cut: int, half_life_s: float) -> Popular:
    """Count the events before `cut`; half_life_s is in seconds, infinity counts all alike."""
    return Popular(decayed_counts(dataset, cut, half_life_s))


def decayed_counts(dataset: Dataset, cut: int, half_life_s: float) -> NDArray[np.float64]:
    """float64 (N,): the sum over an item's events before `cut`, dislikes aside, of 0.5 ** (age / half-life)."""
    until = dataset.until(cut)
    kept = dataset.types[:until] != DISLIKE
    ages = cut - dataset.timestamps[:until][kept]
    weights = np.exp2(-ages / half_life_s)
    counts_N = np.bincount(dataset.rows[:until][kept], weights=weights, minlength=dataset.num_items)
    return counts_N.astype(np.float64)


def choose_half_life(dataset: Dataset, task: Task, span_s: int, settings: PopularSettings, cutoff: int) -> float:
    """The half-life in seconds whose ranking has the best NDCG in the task's window; the longer one wins a tie."""
    everything = np.ones(dataset.num_items, dtype=np.bool_)

    def quality(half_life_s: float) -> tuple[float, float]:
        model = fit(dataset, task.window.start, half_life_s)
        _, rows_BK = model.retrieve(task.queries, cutoff, everything)
        return mean_ndcg(rows_BK, task.targets, cutoff), half_life_s

    return max((max(1.0, share * span_s) for share in settings.half_life_shares), key=quality)
