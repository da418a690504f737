"""Rows of an events file with what becomes of each: the one table by which both readers of events are judged.

The client reads them on the way of `shortlist events import`, the trainer on that of `shortlist data check`.
"""

from typing import Final, NamedTuple

HEADER: Final = b"user_id,item_id,timestamp,type,value"
GOOD_ROW: Final = b"u,good,7,view,"
LAST_SECOND: Final = 253_402_300_799
NO_TIME: Final = "timestamp is neither seconds nor an ISO 8601 time"
OUTSIDE: Final = "timestamp is outside 0..253402300799 seconds"
NO_TYPE: Final = "type is none of view, click, cart, purchase, like, dislike, rating"
NO_NUMBER: Final = "value is not a finite number"
OPEN_QUOTE: Final = "a quote is not closed on its line"
AFTER_QUOTE: Final = "a quoted field goes on after its quote"


class Good(NamedTuple):
    """The event of a row; without a type in the row it is a purchase, without a value None."""

    user_id: str = "u"
    item_id: str = "i"
    timestamp: int = 1
    type: str = "purchase"
    value: float | None = None


class Row(NamedTuple):
    """A line without its end, and its event or the reason why it is none."""

    line: bytes
    outcome: Good | str


def when(time: str, outcome: int | str) -> Row:
    return Row(f"u,i,{time},,".encode(), Good(timestamp=outcome) if isinstance(outcome, int) else outcome)


ROWS: Final = (
    # ids
    Row(b"u,i,1,,", Good()),
    Row(b",i,1,,", "user_id is missing"),
    Row(b"u,,1,,", "item_id is missing"),
    Row(b",,x,y,z", "user_id is missing"),
    Row(b" u , i,1,,", Good(user_id=" u ", item_id=" i")),
    Row("ä,日本,1,,".encode(), Good(user_id="ä", item_id="日本")),
    Row("u,a\u00a0b\u2028c,1,,".encode(), Good(item_id="a\u00a0b\u2028c")),
    Row("u,\ufffd,1,,".encode(), Good(item_id="\ufffd")),
    Row(b"u," + b"x" * 128 + b",1,,", Good(item_id="x" * 128)),
    Row(b"u," + b"x" * 129 + b",1,,", "item_id is longer than 128 bytes"),
    Row("u,{},1,,".format("ä" * 64).encode(), Good(item_id="ä" * 64)),
    Row("u,{},1,,".format("ä" * 65).encode(), "item_id is longer than 128 bytes"),
    Row(b"u,a\x00b,1,,", "item_id holds a control character"),
    Row(b"u\x1b[31m,a,1,,", "user_id holds a control character"),
    Row(b"u,a\tb,1,,", "item_id holds a control character"),
    Row(b"u,a\rb,1,,", "item_id holds a control character"),
    Row("u,a\u0085b,1,,".encode(), "item_id holds a control character"),
    # columns, quotes, bytes
    Row(b"u,i,1", "wrong number of columns: 3 instead of 5"),
    Row(b"u,i,1,,,", "wrong number of columns: 6 instead of 5"),
    Row(b" ", "wrong number of columns: 1 instead of 5"),
    Row(b'"u","i","1","",""', Good()),
    Row(b'"u,v","say ""i""",1,,', Good(user_id="u,v", item_id='say "i"')),
    Row(b'u,5" disc,1,,', Good(item_id='5" disc')),
    Row(b'u,"i,1,,', OPEN_QUOTE),
    Row(b'"u,i,1,,', OPEN_QUOTE),
    Row(b'u,i,1,,"', OPEN_QUOTE),
    Row(b'u,"i"x,1,,', AFTER_QUOTE),
    Row(b'u,"i" ,1,,', AFTER_QUOTE),
    Row(b'"u,i",1,,', "wrong number of columns: 4 instead of 5"),
    Row(b"u,\xff\xfe,1,,", "not UTF-8"),
    Row(b"\xc3,i,1,,", "not UTF-8"),
    Row(b"u,i,1,view,\xff", "not UTF-8"),
    # timestamps
    when("0", 0),
    when("007", 7),
    when(" 1320000000 ", 1_320_000_000),
    when("1320000000.0", 1_320_000_000),
    when("1.32e9", 1_320_000_000),
    when("+5", 5),
    when("253402300799", LAST_SECOND),
    when("253402300800", OUTSIDE),
    when("1310000000000", OUTSIDE),
    when("-1", OUTSIDE),
    when("1.5", NO_TIME),
    when("", "timestamp is missing"),
    when(" ", "timestamp is missing"),
    when("yesterday", NO_TIME),
    when("nan", NO_TIME),
    when("1e999", NO_TIME),
    when("9" * 5000, NO_TIME),
    when("1_000", NO_TIME),
    when("٣", NO_TIME),
    when("²", NO_TIME),
    when("20111201", 20_111_201),
    when("20111201.00", 20_111_201),
    when("2011-12-01", 1_322_697_600),
    when("2011-W48-4", 1_322_697_600),
    when("2011-12-01T08:26", 1_322_727_960),
    when("2011-12-01 08:26", 1_322_727_960),
    when(" 2011-12-01 08:26:00 ", 1_322_727_960),
    when("20111201T082600Z", 1_322_727_960),
    when("2011-12-01T08:26:00Z", 1_322_727_960),
    when("2011-12-01T08:26:00.999", 1_322_727_960),
    when("2011-12-01 10:26:00.5+02:00", 1_322_727_960),
    when("2011-12-01T03:26:00-0500", 1_322_727_960),
    when("2011-12-01x08:26", NO_TIME),
    when("2011-12-01T08:26 tomorrow", NO_TIME),
    when("2011-02-29", NO_TIME),
    when("1969-12-31T23:59:59.9", OUTSIDE),
    when("1970-01-01T01:00+01:00", 0),
    when("9999-12-31T23:59:59.999999", LAST_SECOND),
    when("9999-12-31T23:59:59-01:00", OUTSIDE),
    when("0001-01-01T00:00+01:00", OUTSIDE),
    # types
    Row(b"u,i,1,dislike,", Good(type="dislike")),
    Row(b"u,i,1,View,", Good(type="view")),
    Row(b"u,i,1, RATING ,", Good(type="rating")),
    Row(b"u,i,1, ,", Good()),
    Row(b"u,i,1,buy,", NO_TYPE),
    Row(b"u,i,1,4,", NO_TYPE),
    Row(b"u,i,1,unspecified,", NO_TYPE),
    # values
    Row(b"u,i,1,,4.5", Good(value=4.5)),
    Row(b"u,i,1,, -2 ", Good(value=-2.0)),
    Row(b"u,i,1,,1e3", Good(value=1000.0)),
    Row(b"u,i,1,,0", Good(value=0.0)),
    Row(b"u,i,1,, ", Good()),
    Row(b"u,i,1,,3.4028234663852886e38", Good(value=3.4028234663852886e38)),
    Row(b"u,i,1,,1e39", "value is too large for float32"),
    Row(b"u,i,1,,many", NO_NUMBER),
    Row(b"u,i,1,,nan", NO_NUMBER),
    Row(b"u,i,1,,-inf", NO_NUMBER),
    Row(b"u,i,1,,1_0", NO_NUMBER),
    Row("u,i,1,,٣".encode(), NO_NUMBER),
)


def file_of(rows: tuple[Row, ...]) -> bytes:
    """An events file of these rows, each between two good ones: row i stands in line 3 + 2 * i."""
    lines = [HEADER, GOOD_ROW]
    for row in rows:
        lines += [row.line, GOOD_ROW]
    return b"\n".join(lines) + b"\n"


def events_of(rows: tuple[Row, ...]) -> list[Good]:
    """The events of `file_of`, in its order."""
    good = Good("u", "good", 7, "view")
    found = [good]
    for row in rows:
        found += [row.outcome, good] if isinstance(row.outcome, Good) else [good]
    return found


def rejects_of(rows: tuple[Row, ...]) -> list[tuple[str, int, str, str]]:
    """The rejected rows of `file_of`, as (file, line, reason, content)."""
    return [
        ("events.csv", 3 + 2 * position, row.outcome, shown(row.line))
        for position, row in enumerate(rows)
        if isinstance(row.outcome, str)
    ]


def shown(line: bytes) -> str:
    """A line as a rejects file shows it."""
    text = line.decode("utf-8", "backslashreplace")
    return text if len(text) <= 1000 else f"{text[:1000]}..."
