"""The rules for one value of an event: its text in, the value out, ValueError with what is wrong with it.

The messages go on after the name of the column ("user_id is missing") and name no value, so that equal faults can be
counted together; the value stands beside them in the rejects.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from shortlist.vocabulary import EVENT_TYPES, MAX_ID_BYTES, MAX_TIMESTAMP, MAX_VALUE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A character has at most 4 bytes: an id of so many is short enough without being encoded.
_SURELY_SHORT: Final = MAX_ID_BYTES // 4
_NUM_DIGITS: Final = len(str(MAX_TIMESTAMP))
_NO_TIME: Final = "is neither seconds nor an ISO 8601 time"


def read_id(text: str) -> str:
    """An id: 1 to 128 bytes of UTF-8 without control characters, spaces included as they stand.

    Control characters are invisible in every report, break lines, and end strings in C: they come from damaged files.
    """
    if not text:
        raise ValueError("is missing")
    if len(text) > _SURELY_SHORT and len(text.encode()) > MAX_ID_BYTES:
        raise ValueError(f"is longer than {MAX_ID_BYTES} bytes")
    # The first question is the quicker one, but no-break spaces and such are not printable either.
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError("holds a control character")
    return text


def read_timestamp(text: str) -> int:
    """Seconds since the epoch, from a whole number ("1320000000", "1320000000.0") or an ISO 8601 date or time.

    A time is UTC unless it names an offset; fractions of a second are cut off, a date is its midnight.
    """
    plain = text.isascii() and text.isdigit() and len(text) <= _NUM_DIGITS
    seconds = int(text) if plain else _other_seconds(text.strip())
    if not 0 <= seconds <= MAX_TIMESTAMP:
        raise ValueError(f"is outside 0..{MAX_TIMESTAMP} seconds")
    return seconds


def type_reader(default: int) -> Callable[[str], int]:
    """A function from the name of an event type to its number in the contract; no name is `default`.

    Names count as they stand in `EVENT_TYPES`, whatever the case and the spaces round them.
    """
    numbers = {**EVENT_TYPES, "": default}

    def read_type(text: str) -> int:
        number = numbers.get(text)
        if number is None:
            number = numbers.get(text.strip().lower())
        if number is None:
            raise ValueError(f"is none of {', '.join(EVENT_TYPES)}")
        return number

    return read_type


def read_value(text: str) -> float:
    """A finite number that float32 can hold; NaN where there is none."""
    if not text or text.isspace():
        return math.nan
    try:
        number = _number(text)
    except ValueError:
        raise ValueError("is not a finite number") from None
    if not abs(number) <= MAX_VALUE:
        raise ValueError("is not a finite number" if not math.isfinite(number) else "is too large for float32")
    return number


def _number(text: str) -> float:
    """A number in ASCII, as other programs read it: Python alone takes 1_000 and the digits of all scripts."""
    if "_" in text or not text.isascii():
        raise ValueError
    return float(text)


def _other_seconds(text: str) -> int:
    """Seconds from anything but plain digits."""
    if not text:
        raise ValueError("is missing")
    seconds = None if text.isdigit() else _iso_seconds(text)
    if seconds is not None:
        return seconds
    try:
        number = _number(text)
    except ValueError:
        raise ValueError(_NO_TIME) from None
    if not number.is_integer():
        raise ValueError(_NO_TIME)
    return int(number)


def _iso_seconds(text: str) -> int | None:
    """Whole seconds of an ISO 8601 date or time, None where the text is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Python takes any character for the T: 20111201.00 would be a date with an hour, and is a number.
    if len(text) > 10 and text[10] not in "T " and text[8] not in "T ":
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    # Not `timestamp()`: as a float, the last microsecond of the year 9999 is the next year.
    return since.days * 86_400 + since.seconds
