"""The rules for columns: text in, typed columns out, wrong rows to the rejects."""

from pathlib import Path

import polars as pl

from shortlist_training.data.rejects import Rejects
from shortlist_training.data.tables import LINE
from shortlist_training.errors import InputError

EVENT_TYPES = ("view", "click", "cart", "purchase", "like", "dislike", "rating")
MAX_ID_BYTES = 128
MAX_TIMESTAMP = 253_402_300_799  # the last second of the year 9999: milliseconds by mistake lie beyond it
_TEXT_COLUMNS = ("title", "text", "tags", "categories", "image")
# Columns of items.parquet that the package computes itself, so an attribute may not take their name.
_RESERVED = ("item_id", *_TEXT_COLUMNS, "price", "available", "popularity", LINE)
_TIME_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
)


def check_events(table: pl.DataFrame, path: Path, event_type: str, rejects: Rejects) -> pl.DataFrame:
    """Return the good rows as user_id, item_id, timestamp, type, value; the others go to `rejects`.

    An empty or absent type is `event_type`, an empty or absent value is null.
    """
    _require(table, path, ("user_id", "item_id", "timestamp"))
    typed = table.with_columns(
        _timestamp(table["timestamp"]).alias("_timestamp"),
        _optional(table, "type").str.strip_chars().str.to_lowercase().replace("", event_type).alias("_type"),
        _number(_optional(table, "value")).alias("_value"),
    )
    reason = pl.coalesce(
        _bad_id("user_id"),
        _bad_id("item_id"),
        pl.when(pl.col("_timestamp").is_null()).then(pl.lit("timestamp is neither seconds nor an ISO 8601 time")),
        pl.when(~pl.col("_timestamp").is_between(0, MAX_TIMESTAMP)).then(
            pl.lit(f"timestamp is outside 0..{MAX_TIMESTAMP} seconds")
        ),
        pl.when(~pl.col("_type").is_in(EVENT_TYPES)).then(pl.lit(f"type is none of {', '.join(EVENT_TYPES)}")),
        _bad_number(_optional(table, "value"), "_value", "value"),
    )
    good = _keep_good(typed, table, reason, path, rejects)
    return good.select("user_id", "item_id", timestamp="_timestamp", type="_type", value="_value")


def check_items(table: pl.DataFrame, path: Path, attributes: list[str], rejects: Rejects) -> pl.DataFrame:
    """Return the good rows as item_id, the text columns, price, available and `attributes` (float64)."""
    _require(table, path, ("item_id",))
    available = _optional(table, "available").str.strip_chars().str.to_lowercase()
    typed = table.with_columns(
        *(_optional(table, name).alias(name) for name in _TEXT_COLUMNS),
        _number(_optional(table, "price")).alias("_price"),
        available.alias("_available"),
        *(_number(pl.col(name)).alias(name) for name in attributes),
    )
    reason = pl.coalesce(
        _bad_id("item_id"),
        pl.when(pl.col("item_id").is_duplicated() & ~pl.col("item_id").is_first_distinct()).then(
            pl.lit("item_id appears a second time")
        ),
        *(_bad_text(name) for name in _TEXT_COLUMNS),
        _bad_number(_optional(table, "price"), "_price", "price"),
        pl.when(pl.col("_price") < 0).then(pl.lit("price is negative")),
        pl.when(~pl.col("_available").is_in(["", "1", "0", "true", "false"])).then(
            pl.lit("available is none of true, false, 1, 0")
        ),
    )
    good = _keep_good(typed, table, reason, path, rejects)
    return good.select(
        "item_id",
        *_TEXT_COLUMNS,
        pl.col("_price").alias("price"),
        (~pl.col("_available").is_in(["0", "false"])).alias("available"),
        *attributes,
    )


def numeric_attributes(table: pl.DataFrame) -> tuple[list[str], list[str]]:
    """(numeric, other): the columns without a meaning of their own, by whether every value is empty or a number."""
    candidates = [name for name in table.columns if name not in _RESERVED]
    numeric = [
        name
        for name in candidates
        if table.select((_number(pl.col(name)).is_not_null() | (pl.col(name) == "")).all()).item()
    ]
    return numeric, [name for name in candidates if name not in numeric]


def _require(table: pl.DataFrame, path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            present = ", ".join(column for column in table.columns if column != LINE)
            raise InputError(f"{path}: column {name!r} is missing; there are: {present}")


def _optional(table: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) if name in table.columns else pl.lit("", dtype=pl.String)


def _number(column: pl.Expr) -> pl.Expr:
    """Finite numbers; anything else, the empty text too, is null."""
    number = column.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _timestamp(texts: pl.Series) -> pl.Series:
    stripped = texts.str.strip_chars()
    seconds = stripped.cast(pl.Int64, strict=False)
    if seconds.null_count() == 0:
        return seconds
    floats = stripped.cast(pl.Float64, strict=False)
    whole = floats.is_finite() & (floats == floats.floor()) & (floats.abs() < 2**53)
    candidates = [seconds, floats.set(~whole.fill_null(False), None).cast(pl.Int64, strict=False)]
    candidates += [_parse_time(stripped, pattern) for pattern in _TIME_FORMATS]
    candidates.append(stripped.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("s"))
    return pl.select(pl.coalesce(*candidates)).to_series()


def _parse_time(texts: pl.Series, pattern: str) -> pl.Series:
    return texts.str.strptime(pl.Datetime("us"), pattern, strict=False).dt.epoch("s")


def _bad_id(name: str) -> pl.Expr:
    size = pl.col(name).str.len_bytes()
    return (
        pl.when(size == 0)
        .then(pl.lit(f"{name} is missing"))
        .when(size > MAX_ID_BYTES)
        .then(pl.lit(f"{name} is longer than {MAX_ID_BYTES} bytes"))
        .when(pl.col(name).str.contains("\ufffd", literal=True))
        .then(pl.lit(f"{name} is not valid UTF-8"))
    )


def _bad_text(name: str) -> pl.Expr:
    return pl.when(pl.col(name).str.contains("\ufffd", literal=True)).then(pl.lit(f"{name} is not valid UTF-8"))


def _bad_number(text: pl.Expr, parsed: str, name: str) -> pl.Expr:
    wrong = (text.str.strip_chars() != "") & pl.col(parsed).is_null()
    return pl.when(wrong).then(pl.lit(f"{name} is not a finite number"))


def _keep_good(
    typed: pl.DataFrame, original: pl.DataFrame, reason: pl.Expr, path: Path, rejects: Rejects
) -> pl.DataFrame:
    reasons = typed.select(reason.alias("reason")).to_series()
    bad = reasons.is_not_null()
    if not bad.any():
        return typed
    content = original.drop(LINE).select(pl.concat_str(pl.all(), separator=",", ignore_nulls=True)).to_series()
    for line, why, text in zip(original[LINE].filter(bad), reasons.filter(bad), content.filter(bad), strict=True):
        rejects.add(path.name, line, why, text)
    return typed.filter(~bad)
