"""Reading a data directory: what is taken, what is refused, and what is one clear error."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from shortlist.vocabulary import EVENT_TYPES
from shortlist_training.data.reader import read_directory
from shortlist_training.errors import InputError
from tests import event_rows
from tests.event_rows import ROWS, Good, Row

ROOT = Path(__file__).parents[2]
BUILT_IN = ROOT / "training" / "shortlist_training" / "datasets" / "online_retail"


def write(directory: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / name.replace("__", ".")).write_bytes(data)
    return directory


def fields_of(good: Good) -> tuple[str, str, int, int, float | None]:
    """As a table of events has it: a number for the type, null for an absent value."""
    return good.user_id, good.item_id, good.timestamp, EVENT_TYPES[good.type], good.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(event_rows.shown(row.line))[:60])
def test_a_row_is_an_event_or_refused_and_its_neighbours_are_kept(tmp_path: Path, row: Row) -> None:
    (tmp_path / "events.csv").write_bytes(event_rows.file_of((row,)))
    raw = read_directory(tmp_path)
    assert raw.events.rows() == [fields_of(good) for good in event_rows.events_of((row,))]
    assert [(r.file, r.line, r.reason, r.content) for r in raw.rejects.rows] == event_rows.rejects_of((row,))


def test_the_table_of_events_has_the_contracts_types_and_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(event_rows.file_of(ROWS))
    events = read_directory(tmp_path).events
    assert events.rows() == [fields_of(good) for good in event_rows.events_of(ROWS)]
    assert dict(events.schema) == {
        "user_id": pl.String,
        "item_id": pl.String,
        "timestamp": pl.Int64,
        "type": pl.UInt8,
        "value": pl.Float64,
    }


def test_an_unclosed_quote_loses_one_row_of_a_thousand(tmp_path: Path) -> None:
    rows = [f"u,i{number},{number}" for number in range(1000)]
    rows[1] = 'u,"i1,1'
    write(tmp_path, events__csv="user_id,item_id,timestamp\n" + "\n".join(rows))
    raw = read_directory(tmp_path)
    assert raw.events.height == 999
    assert [(r.line, r.reason, r.content) for r in raw.rejects.rows] == [(3, event_rows.OPEN_QUOTE, rows[1])]


def test_refused_rows_are_counted_by_reason_and_written(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,a,1\n,a,1\n,b,1\nu,c,x\n")
    rejects = read_directory(tmp_path).rejects
    assert rejects.by_reason()[0] == ("events.csv", "user_id is missing", 2, [3, 4])
    rejects.write(tmp_path / "out" / "rejects.csv")
    table = pl.read_csv(tmp_path / "out" / "rejects.csv")
    assert table["line"].to_list() == [3, 4, 5]
    assert table["content"].to_list() == [",a,1", ",b,1", "u,c,x"]


def test_quoted_titles_hold_separators_and_quotes_but_no_line_breaks(tmp_path: Path) -> None:
    write(
        tmp_path,
        events__csv="user_id,item_id,timestamp\nu,a,1\n",
        items__csv='item_id,title\na,"big, red ""lamp"""\nb,"big\nlamp"\nc,5" disc\nd,"open\ne,\n',
    )
    raw = read_directory(tmp_path)
    assert raw.items is not None
    assert raw.items.select("item_id", "title").rows() == [("a", 'big, red "lamp"'), ("c", '5" disc'), ("e", "")]
    assert [(r.file, r.line, r.content) for r in raw.rejects.rows] == [
        ("items.csv", 3, 'b,"big'),
        ("items.csv", 4, 'lamp"'),
        ("items.csv", 6, 'd,"open'),
    ]


def test_the_ids_of_items_follow_the_rules_of_events(tmp_path: Path) -> None:
    long, control = "x" * 129, "a\x00b"
    write(
        tmp_path,
        events__csv="user_id,item_id,timestamp\nu,a,1\n",
        items__csv=f"item_id,title\n a ,\n,nameless\n{long},\n{control},\nb,\n".encode() + b"c,\xff\n",
    )
    raw = read_directory(tmp_path)
    assert raw.items is not None
    assert raw.items["item_id"].to_list() == [" a ", "b"]
    assert [(r.line, r.reason) for r in raw.rejects.rows] == [
        (3, "item_id is missing"),
        (4, "item_id is longer than 128 bytes"),
        (5, "item_id holds a control character"),
        (7, "not UTF-8"),
    ]


def test_items_of_parquet_are_read_like_text(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,1,1\n")
    table = pl.DataFrame({"item_id": [1, 1, 2], "price": [2.5, 1.0, -1.0], "tags": [["x", "y"], None, []]})
    table.write_parquet(tmp_path / "items.parquet")
    raw = read_directory(tmp_path)
    assert raw.items is not None
    assert raw.items.select("item_id", "price", "tags").rows() == [("1", 2.5, "x|y")]
    assert [(r.file, r.line, r.reason, r.content) for r in raw.rejects.rows] == [
        ("items.parquet", 3, "item_id appears a second time", "1,1.0,"),
        ("items.parquet", 4, "price is negative", "2,-1.0,"),
    ]


def test_an_items_file_with_its_header_alone_describes_nothing(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,a,1\n", items__csv="item_id,title\n")
    raw = read_directory(tmp_path)
    assert raw.items is not None
    assert raw.items.height == 0
    assert "without a usable row in the items file: 1 (a)" in raw.notes[0]


def test_items_get_prices_categories_availability_and_attributes(tmp_path: Path) -> None:
    write(
        tmp_path,
        events__csv="user_id,item_id,timestamp\nu,a,1\n",
        items__csv="item_id,price,categories,available,weight,colour\n"
        "a,1.5,home|lamp,true,3,red\nb,,,0,,blue\nb,1,,,,\nc,-1,,,,\nd,x,,,,\ne,1,,maybe,,\n",
    )
    raw = read_directory(tmp_path)
    assert raw.items is not None
    kept = raw.items.select("item_id", "price", "categories", "available", "weight").rows()
    assert kept == [("a", 1.5, "home|lamp", True, 3.0), ("b", None, "", False, None)]
    assert [r.reason for r in raw.rejects.rows] == [
        "item_id appears a second time",
        "price is negative",
        "price is not a finite number",
        "available is none of true, false, 1, 0",
    ]
    assert any("colour" in note for note in raw.notes)


def test_parquet_and_gzip_give_the_same_events_as_text(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp\n7,a,1577934245\n8,b,1577934246\n"
    for name in ("csv", "gz", "parquet"):
        (tmp_path / name).mkdir()
    write(tmp_path / "csv", events__csv=text)
    (tmp_path / "gz" / "events.csv.gz").write_bytes(gzip.compress(text.encode()))
    table = pl.DataFrame({"user_id": [7, 8], "item_id": ["a", "b"], "timestamp": [1577934245, 1577934246]})
    table.with_columns(pl.from_epoch("timestamp")).write_parquet(tmp_path / "parquet" / "events.parquet")
    expected = read_directory(tmp_path / "csv").events
    assert read_directory(tmp_path / "gz").events.equals(expected)
    assert read_directory(tmp_path / "parquet").events.equals(expected)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no events.csv"),
        ({"events__csv": "", "events__parquet": ""}, "several events files (events.csv, events.parquet)"),
        ({"events__csv": ""}, "events.csv: the first line is empty"),
        ({"events__csv": "user_id,timestamp\nu,1\n"}, "events.csv: column 'item_id' is missing"),
        ({"events__csv": "user_id,item_id,item_id,timestamp\n"}, "events.csv: column 'item_id' appears twice"),
        ({"events__csv": "user_id,item_id,timestamp\n,,\n"}, "no usable event (1 rows refused)"),
        ({"events__csv__gz": "not gzip"}, "events.csv.gz: corrupt gzip file"),
        (
            {"events__csv__gz": gzip.compress(b"user_id,item_id,timestamp\n" + b"u,a,1\n" * 999)[:-20]},
            "corrupt gzip file",
        ),
        ({"events__parquet": "PAR1 not parquet"}, "events.parquet: cannot be read as Parquet"),
        ({"events__csv": "user_id,item_id,timestamp\nu,a,1\n", "items__csv": "id\na\n"}, "items.csv: column 'item_id'"),
        ({"events__csv": "user_id,item_id,timestamp\nu,a,1\n", "dataset__json": "{"}, "dataset.json: not readable"),
        (
            {"events__csv": "user_id,item_id,timestamp\nu,a,1\n", "dataset__json": "[]"},
            "dataset.json: must be an object",
        ),
    ],
)
def test_a_directory_that_cannot_be_used_is_one_line(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    write(tmp_path, **files)
    with pytest.raises(InputError) as caught:
        read_directory(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such directory"):
        read_directory(tmp_path / "nowhere")


def test_movielens_layouts_become_ratings(tmp_path: Path) -> None:
    for name in ("hundred", "million", "latest"):
        (tmp_path / name).mkdir()
    write(
        tmp_path / "hundred",
        u__data="196\t242\t3\t881250949\n",
        u__item="242|Kolya (1996)|24-Jan-1997||http://x|" + "|".join("0" * 19) + "\n",
    )
    write(tmp_path / "million", ratings__dat="196::242::3::881250949\n", movies__dat="242::Kolya (1996)::Comedy\n")
    write(
        tmp_path / "latest",
        ratings__csv="userId,movieId,rating,timestamp\n196,242,3.0,881250949\n",
        movies__csv="movieId,title,genres\n242,Kolya (1996),Comedy\n",
    )
    for name in ("hundred", "million", "latest"):
        raw = read_directory(tmp_path / name)
        assert raw.events.rows() == [("196", "242", 881250949, EVENT_TYPES["rating"], 3.0)]
        assert raw.items is not None
        assert raw.items["title"].to_list() == ["Kolya (1996)"]


def test_the_built_in_data_is_whole_and_attributed() -> None:
    raw = read_directory(BUILT_IN)
    assert raw.events.height == 308_004
    assert raw.events["user_id"].n_unique() == 3_970
    assert raw.items is not None
    assert raw.items.height == 3_607
    assert len(raw.rejects) == 0
    assert "10.24432/C5BW33" in raw.description.attribution
    assert "10.24432/C5BW33" in (BUILT_IN / "ATTRIBUTION.md").read_text("utf-8")


@pytest.mark.skipif(not (ROOT.parent / "shared/data").is_dir(), reason="the research data is not here")
@pytest.mark.parametrize(
    ("name", "events", "users"),
    [("amazon-beauty", 198_502, 22_363), ("movielens-latest-small", 100_836, 610)],
)
def test_research_data_is_read_without_a_refused_row(name: str, events: int, users: int) -> None:
    raw = read_directory(ROOT.parent / "shared/data" / name)
    assert (raw.events.height, raw.events["user_id"].n_unique(), len(raw.rejects)) == (events, users, 0)


def test_items_without_a_usable_row_are_counted_in_a_note(tmp_path: Path) -> None:
    rows = "".join(f"u,i{number},{number}\n" for number in range(8))
    (tmp_path / "events.csv").write_text(f"user_id,item_id,timestamp\n{rows}")
    (tmp_path / "items.csv").write_text("item_id,price\ni7,1\ni6,dear\n")
    (note,) = read_directory(tmp_path).notes
    assert "without a usable row in the items file: 7 (i0, i1, i2, i3, i4, ...)" in note
    (tmp_path / "items.csv").write_text("item_id\n" + "".join(f"i{number}\n" for number in range(8)))
    assert read_directory(tmp_path).notes == []


def test_rejects_never_replace_the_data(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,a,1\nu,,1\n")
    with pytest.raises(InputError, match=r"events\.csv: exists and is no file of rejected rows"):
        read_directory(tmp_path).rejects.write(tmp_path / "events.csv")
    assert read_directory(tmp_path).events.height == 1
