"""The rules for the columns of the items file: text in, typed columns out, wrong rows to the rejects."""

import polars as pl

from shortlist.events.rows import Refused
from shortlist.events.values import read_id
from shortlist_training.data.tables import Table

_TEXT_COLUMNS = ("title", "text", "tags", "categories", "image")
# Columns of items.parquet that the package computes itself, so an attribute may not take their name.
_RESERVED = ("item_id", *_TEXT_COLUMNS, "price", "available", "popularity")


def check_items(table: Table, attributes: list[str]) -> tuple[pl.DataFrame, Refused]:
    """The good rows as item_id, the text columns, price, available and `attributes` (float64), and the other rows."""
    texts = table.columns
    price, available = _optional(texts, "price"), _optional(texts, "available").str.strip_chars().str.to_lowercase()
    typed = texts.select(
        "item_id",
        *(_optional(texts, name).alias(name) for name in _TEXT_COLUMNS),
        _number(price).alias("price"),
        (~available.is_in(["0", "false"])).alias("available"),
        *(_number(pl.col(name)).alias(name) for name in attributes),
    )
    reasons = texts.select(
        pl.coalesce(
            pl.Series([_fault_of_id(text) for text in texts["item_id"]], dtype=pl.String),
            pl.when(~pl.col("item_id").is_first_distinct()).then(pl.lit("item_id appears a second time")),
            pl.when((price.str.strip_chars() != "") & _number(price).is_null()).then(
                pl.lit("price is not a finite number")
            ),
            pl.when(_number(price) < 0).then(pl.lit("price is negative")),
            pl.when(~available.is_in(["", "1", "0", "true", "false"])).then(
                pl.lit("available is none of true, false, 1, 0")
            ),
        ).alias("reason")
    )["reason"]
    bad = reasons.is_not_null()
    faults = zip(reasons.filter(bad), table.contents.filter(bad), strict=True)
    return typed.filter(~bad), table.refused | dict(zip(table.lines.filter(bad), faults, strict=True))


def numeric_attributes(table: pl.DataFrame) -> tuple[list[str], list[str]]:
    """(numeric, other): the columns without a meaning of their own, by whether every value is empty or a number."""
    candidates = [name for name in table.columns if name not in _RESERVED]
    numeric = [
        name
        for name in candidates
        if table.select((_number(pl.col(name)).is_not_null() | (pl.col(name) == "")).all()).item()
    ]
    return numeric, [name for name in candidates if name not in numeric]


def _fault_of_id(text: str) -> str | None:
    try:
        read_id(text)
    except ValueError as error:
        return f"item_id {error}"
    return None


def _optional(table: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) if name in table.columns else pl.lit("", dtype=pl.String)


def _number(column: pl.Expr) -> pl.Expr:
    """Finite numbers; anything else, the empty text too, is null."""
    number = column.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)
