"""Data sets in memory, from plain rows."""

import polars as pl

from shortlist.vocabulary import EVENT_TYPES
from shortlist_training.data.dataset import Dataset, build_dataset
from shortlist_training.data.description import Description
from shortlist_training.data.reader import RawData
from shortlist_training.data.rejects import Rejects


def dataset_of(rows: list[tuple[str, str, int]] | list[tuple[str, str, int, str]]) -> Dataset:
    """From (user_id, item_id, timestamp[, type]); a purchase unless the row says otherwise."""
    full = [(*row[:3], EVENT_TYPES[row[3] if len(row) == 4 else "purchase"]) for row in rows]
    events = pl.DataFrame(
        full,
        schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "type": pl.UInt8},
        orient="row",
    ).with_columns(pl.lit(None, dtype=pl.Float64).alias("value"))
    return build_dataset(RawData(description=Description(name="rows"), events=events, items=None, rejects=Rejects()))


def ids_of(dataset: Dataset, rows: object) -> list[str]:
    """The item ids of these rows."""
    return [dataset.items["item_id"][int(row)] for row in rows]  # type: ignore[attr-defined]
