"""Reading a data directory: what is taken, what is refused, and what is one clear error."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from shortlist_training.data.reader import read_directory
from shortlist_training.errors import InputError

ROOT = Path(__file__).parents[2]
BUILT_IN = ROOT / "training" / "shortlist_training" / "datasets" / "online_retail"


def write(directory: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / name.replace("__", ".")).write_bytes(data)
    return directory


def test_good_rows_are_typed_and_keep_their_order(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp,type,value\nu2,b,20,View,\nu1,a,10,,1.5\n")
    raw = read_directory(tmp_path)
    assert raw.events.rows() == [("u2", "b", 20, "view", None), ("u1", "a", 10, "purchase", 1.5)]
    assert raw.items is None
    assert len(raw.rejects) == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",a,1,,", "user_id is missing"),
        ("u,,1,,", "item_id is missing"),
        ("u,a,yesterday,,", "timestamp is neither seconds nor an ISO 8601 time"),
        ("u,a,1310000000000,,", "timestamp is outside 0..253402300799 seconds"),
        ("u,a,-1,,", "timestamp is outside 0..253402300799 seconds"),
        ("u,a,1.5,,", "timestamp is neither seconds nor an ISO 8601 time"),
        ("u,a,1,buy,", "type is none of view, click, cart, purchase, like, dislike, rating"),
        ("u,a,1,,many", "value is not a finite number"),
        ("u,a,1,,nan", "value is not a finite number"),
        ("u," + "x" * 129 + ",1,,", "item_id is longer than 128 bytes"),
        ("u,a,1", "wrong number of columns: 3 instead of 5"),
        ("u,a,1,,,", "wrong number of columns: 6 instead of 5"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    write(tmp_path, events__csv=f"user_id,item_id,timestamp,type,value\nu,a,1,,\n{row}\nu,b,2,,\n")
    raw = read_directory(tmp_path)
    assert raw.events["item_id"].to_list() == ["a", "b"]
    assert [(r.file, r.line, r.reason) for r in raw.rejects.rows] == [("events.csv", 3, reason)]


def test_bytes_that_are_not_text_cost_one_row_only(tmp_path: Path) -> None:
    write(tmp_path, events__csv=b"user_id,item_id,timestamp\nu,\xff\xfe,1\nu,\xc3\xa4,2\n")
    raw = read_directory(tmp_path)
    assert raw.events["item_id"].to_list() == ["ä"]
    assert raw.rejects.rows[0].reason == "item_id is not valid UTF-8"


def test_every_form_of_a_time_is_the_same_second(tmp_path: Path) -> None:
    forms = ["1577934245", "1577934245.0", "2020-01-02T03:04:05Z", "2020-01-02 03:04:05", "2020-01-02T04:04:05+01:00"]
    write(tmp_path, events__csv="user_id,item_id,timestamp\n" + "".join(f"u,a,{form}\n" for form in forms))
    assert read_directory(tmp_path).events["timestamp"].to_list() == [1577934245] * len(forms)


def test_a_date_is_its_midnight(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,a,1970-01-02\n")
    assert read_directory(tmp_path).events["timestamp"].to_list() == [86_400]


def test_refused_rows_are_counted_by_reason_and_written(tmp_path: Path) -> None:
    write(tmp_path, events__csv="user_id,item_id,timestamp\nu,a,1\n,a,1\n,b,1\nu,c,x\n")
    rejects = read_directory(tmp_path).rejects
    assert rejects.by_reason()[0] == ("events.csv", "user_id is missing", 2, [3, 4])
    rejects.write(tmp_path / "out" / "rejects.csv")
    table = pl.read_csv(tmp_path / "out" / "rejects.csv")
    assert table["line"].to_list() == [3, 4, 5]
    assert table["content"].to_list() == [",a,1", ",b,1", "u,c,x"]


def test_quoted_fields_may_hold_separators_and_line_breaks(tmp_path: Path) -> None:
    write(
        tmp_path,
        events__csv="user_id,item_id,timestamp\nu,a,1\n",
        items__csv='item_id,title\na,"big, red\nlamp"\n',
    )
    items = read_directory(tmp_path).items
    assert items is not None
    assert items["title"].to_list() == ["big, red\nlamp"]


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


def test_a_null_in_parquet_is_a_missing_id(tmp_path: Path) -> None:
    table = pl.DataFrame({"user_id": ["u", None], "item_id": ["a", "b"], "timestamp": [1, 2]})
    table.write_parquet(tmp_path / "events.parquet")
    assert [(r.line, r.reason) for r in read_directory(tmp_path).rejects.rows] == [(3, "user_id is missing")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no events.csv"),
        ({"events__csv": "", "events__parquet": ""}, "several events files (events.csv, events.parquet)"),
        ({"events__csv": ""}, "events.csv: empty file"),
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
        assert raw.events.rows() == [("196", "242", 881250949, "rating", 3.0)]
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
