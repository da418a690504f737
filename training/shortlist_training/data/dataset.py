"""The checked tables as one `Dataset`: ids sorted, events as arrays in time order.

E events, U users, N items. An item is a *row*: its position in `items`, which is sorted by item id (bytewise).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shortlist_training.data.columns import EVENT_TYPES
from shortlist_training.data.description import Description
from shortlist_training.data.reader import RawData

DISLIKE = EVENT_TYPES.index("dislike")
PURCHASE = EVENT_TYPES.index("purchase")
ANY_BUT_DISLIKE = tuple(code for code in range(len(EVENT_TYPES)) if code != DISLIKE)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Users, items and events; event arrays are sorted by (timestamp, order of arrival).

    Attributes:
        user_ids: the U ids, sorted.
        items: N rows sorted by item_id, with the text columns, price, available and numeric attributes.
        users, rows: int32 (E,) positions in `user_ids` and `items`.
        timestamps: int64 (E,) seconds since the epoch.
        types: uint8 (E,) positions in EVENT_TYPES.
        fingerprint: "sha256:" and the digest of all of the above.
    """

    description: Description
    user_ids: list[str]
    items: pl.DataFrame
    users: NDArray[np.int32]
    rows: NDArray[np.int32]
    timestamps: NDArray[np.int64]
    types: NDArray[np.uint8]
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
    def target_types(self) -> tuple[int, ...]:
        """What counts as success: purchases where the data has any, otherwise every event but a dislike."""
        return (PURCHASE,) if (self.types == PURCHASE).any() else ANY_BUT_DISLIKE

    @property
    def target_name(self) -> str:
        """The name of the ranker's head."""
        return "purchase" if self.target_types == (PURCHASE,) else "interaction"

    @property
    def target_words(self) -> str:
        """What counts as success, as the protocol states it."""
        return "purchase" if self.target_types == (PURCHASE,) else "any event but dislike"

    def until(self, cut: int) -> int:
        """How many events lie before the time `cut`; they are the first ones."""
        return int(np.searchsorted(self.timestamps, cut, side="left"))


def build_dataset(raw: RawData) -> Dataset:
    """Sort and number users and items. Items that only events name join the catalogue without attributes."""
    events = raw.events.sort("timestamp", maintain_order=True)
    user_ids = events["user_id"].unique().sort()
    items = _catalogue(events, raw.items)
    users = _positions(events["user_id"], user_ids)
    rows = _positions(events["item_id"], items["item_id"])
    timestamps = events["timestamp"].to_numpy().astype(np.int64)
    types = _positions(events["type"], pl.Series(EVENT_TYPES)).astype(np.uint8)
    values = events["value"].fill_null(np.nan).to_numpy()
    return Dataset(
        description=raw.description,
        user_ids=user_ids.to_list(),
        items=items,
        users=users,
        rows=rows,
        timestamps=timestamps,
        types=types,
        fingerprint=_fingerprint(user_ids, items, (users, rows, timestamps, types, values)),
    )


def align(dataset: Dataset, items: pl.DataFrame) -> Dataset:
    """The same events over the catalogue `items` of a package: its items first, in its order, then those it lacks."""
    unknown = dataset.items.join(items, on="item_id", how="anti").sort("item_id").select("item_id")
    joined = pl.concat([items, unknown], how="diagonal")
    ids = dataset.items.join(joined.select("item_id").with_row_index("row"), on="item_id", maintain_order="left")
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
