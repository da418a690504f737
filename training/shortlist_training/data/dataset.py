"""The checked tables as one `Dataset`: ids sorted, events as arrays in time order.

E events, U users, N items. An item is a *row*: its position in `items`, which is sorted by item id (bytewise).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortlist.vocabulary import EVENT_TYPES
from shortlist_training.data.description import Description
from shortlist_training.data.reader import RawData

DISLIKE: Final = EVENT_TYPES["dislike"]
PURCHASE: Final = EVENT_TYPES["purchase"]
ANY_BUT_DISLIKE: Final = tuple(number for name, number in EVENT_TYPES.items() if name != "dislike")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Users, items and events; event arrays are sorted by (timestamp, order of arrival).

    A model that learns from a dataset sees nothing else: what it may not see is cut away before, with `only`.

    Attributes:
        user_ids: the U ids, sorted.
        items: N rows sorted by item_id, with the text columns, price, available and numeric attributes.
        users, rows: int32 (E,) positions in `user_ids` and `items`.
        timestamps: int64 (E,) seconds since the epoch.
        types: uint8 (E,) numbers of the contract's EventType.
        values: float32 (E,), NaN where an event has none.
        as_of: the time from which ages count; every event lies before it.
        target_types: what counts as success: purchases where the data has any, otherwise every event but a dislike.
        fingerprint: "sha256:" and the digest of the whole data set that this one is, or was cut from.
    """

    description: Description
    user_ids: list[str]
    items: pl.DataFrame
    users: NDArray[np.int32]
    rows: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    types: NDArray[np.uint8]
    values: NDArray[np.float32]
    as_of: int
    target_types: tuple[int, ...]
    fingerprint: str

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """N."""
        return self.items.height

    @property
    def num_events(self) -> int:
        """E."""
        return len(self.rows)

    @property
    def span_s(self) -> int:
        """Seconds from the first event to `as_of`, at least 1."""
        return max(1, self.as_of - int(self.timestamps[0])) if self.num_events else 1

    @property
    def known_N(self) -> NDArray[np.bool_]:
        """Bool (N,): which items have an event."""
        known: NDArray[np.bool_] = np.bincount(self.rows, minlength=self.num_items) > 0
        return known

    @property
    def target_name(self) -> str:
        """The name of the ranker's head."""
        return "purchase" if self.target_types == (PURCHASE,) else "interaction"

    @property
    def target_words(self) -> str:
        """What counts as success, as a protocol states it."""
        return "purchase" if self.target_types == (PURCHASE,) else "any event but dislike"

    def until(self, cut: int) -> int:
        """How many events lie before the time `cut`; they are the first ones."""
        return int(np.searchsorted(self.timestamps, cut, side="left"))

    def only(self, events_E: NDArray[np.bool_] | slice, as_of: int) -> "Dataset":
        """The same users and items with these events only, seen from the time `as_of`."""
        return replace(
            self,
            users=self.users[events_E],
            rows=self.rows[events_E],
            timestamps=self.timestamps[events_E],
            types=self.types[events_E],
            values=self.values[events_E],
            as_of=as_of,
        )

    def before(self, cut: int) -> "Dataset":
        """The events before the time `cut`."""
        return self.only(slice(self.until(cut)), cut)

    def between(self, start: int, end: int) -> "Dataset":
        """The events from the time `start`, inclusive, to `end`, exclusive."""
        return self.only(slice(self.until(start), self.until(end)), end)


def build_dataset(raw: RawData) -> Dataset:
    """Sort and number users and items. Items that only events name join the catalogue without attributes."""
    events = raw.events.sort("timestamp", maintain_order=True)
    user_ids = events["user_id"].unique().sort()
    items = _catalogue(events, raw.items)
    users = _positions(events["user_id"], user_ids)
    rows = _positions(events["item_id"], items["item_id"])
    timestamps = events["timestamp"].to_numpy().astype(np.int64)
    types = events["type"].to_numpy().astype(np.uint8)
    values = events["value"].fill_null(np.nan).to_numpy()
    return Dataset(
        description=raw.description,
        user_ids=user_ids.to_list(),
        items=items,
        users=users,
        rows=rows,
        timestamps=timestamps,
        types=types,
        values=values.astype(np.float32),
        as_of=int(timestamps[-1]) + 1,
        target_types=(PURCHASE,) if (types == PURCHASE).any() else ANY_BUT_DISLIKE,
        fingerprint=_fingerprint(user_ids, items, (users, rows, timestamps, types, values)),
    )


def align(dataset: Dataset, item_ids: list[str]) -> Dataset:
    """The same events over the catalogue of a package: its items first, in its order, then those that it lacks."""
    known = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String})
    unknown = dataset.items.join(known, on="item_id", how="anti").sort("item_id").select("item_id")
    order = pl.concat([known, unknown])
    joined = order.join(dataset.items, on="item_id", how="left", maintain_order="left")
    ids = dataset.items.join(order.with_row_index("row"), on="item_id", maintain_order="left")
    return replace(dataset, items=joined, rows=ids["row"].to_numpy().astype(np.int32)[dataset.rows])


def _catalogue(events: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame:
    bought = events.select("item_id").unique()
    if items is None:
        items = bought.clear().with_columns(
            *(pl.lit("").alias(name) for name in ("title", "text", "tags", "categories", "image")),
            pl.lit(None, dtype=pl.Float64).alias("price"),
            pl.lit(True).alias("available"),
        )
    joined = items.join(bought, on="item_id", how="full", coalesce=True)
    texts = [name for name, dtype in joined.schema.items() if dtype == pl.String and name != "item_id"]
    return joined.with_columns(pl.col(*texts).fill_null(""), pl.col("available").fill_null(True)).sort("item_id")


def _positions(values: pl.Series, sorted_values: pl.Series) -> NDArray[np.int32]:
    lookup = pl.DataFrame({"key": sorted_values}).with_row_index("position")
    joined = pl.DataFrame({"key": values}).join(lookup, on="key", how="left", maintain_order="left")
    return joined["position"].to_numpy().astype(np.int32)


def _fingerprint(user_ids: pl.Series, items: pl.DataFrame, arrays: Iterable[NDArray[np.generic]]) -> str:
    digest = hashlib.sha256()
    for name, column in (("user_id", user_ids), *((name, items[name]) for name in items.columns)):
        # JSON quotes the values, so that no two different columns give the same bytes.
        digest.update(name.encode() + pl.DataFrame({"v": column}).write_ndjson().encode())
    for array in arrays:
        digest.update(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"
