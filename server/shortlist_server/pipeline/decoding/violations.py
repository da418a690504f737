"""Collects what is wrong with a request, so that a caller learns everything at once."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from typing import Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from shortlist.vocabulary import MAX_ID_BYTES
from shortlist_server.errors import InvalidRequestError

# Of a value that is quoted: what fits into one line of a terminal.
MAX_SHOWN: Final = 80
# The trailers of a reply, in which they travel, may hold 8 KB in all, base64 included.
MAX_LISTED_BYTES: Final = 3000
# Of one description, so that no list of known names keeps the next violation from being told.
MAX_DESCRIPTION: Final = 500


class Violations:
    """(field path, description) pairs; a description names the value."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._num_bytes = 0

    def add(self, field: str, description: str) -> None:
        """Note one, the first in any case; those that no longer fit into a status are dropped."""
        if len(description) > MAX_DESCRIPTION:
            description = description[:MAX_DESCRIPTION] + "..."
        self._num_bytes += len(field) + len(description)
        if self._num_bytes <= MAX_LISTED_BYTES:
            self.found.append((field, description))

    def raise_if_any(self) -> None:
        """Raise InvalidRequestError with all that was found."""
        if self.found:
            raise InvalidRequestError(self.found)

    def check_id(self, field: str, value: str) -> None:
        """An id is 1..128 bytes of UTF-8."""
        length = len(value) if value.isascii() else len(value.encode())
        if not 1 <= length <= MAX_ID_BYTES:
            self.add(field, f"{shown(value)} has {length} bytes, not 1..{MAX_ID_BYTES}")

    def check_ids(self, field: str, values: Sequence[str]) -> None:
        """Every one is an id; the path of a wrong one has its index."""
        for index, value in enumerate(values):
            # A character has at most 4 bytes: nearly every id is cleared by its length, without a path being made.
            if not 1 <= len(value) <= MAX_ID_BYTES // 4:
                self.check_id(f"{field}[{index}]", value)

    def check_number(self, field: str, value: float, low: float, high: float) -> None:
        """A number in low..high; NaN never is."""
        if math.isnan(value) or not low <= value <= high:
            self.add(field, f"{value:g} is not in {low:g}..{high:g}")

    def check_integer(self, field: str, value: int, low: int, high: int) -> None:
        """An integer in low..high."""
        if not low <= value <= high:
            self.add(field, f"{value} is not in {low}..{high}")

    def check_enum(self, field: str, value: int, enum: EnumTypeWrapper) -> None:
        """A number that the contract knows."""
        if value not in enum.DESCRIPTOR.values_by_number:
            self.add(field, f"{value} is not a number of {enum.DESCRIPTOR.name}")

    def check_count(self, field: str, values: Sized, high: int, low: int = 0) -> bool:
        """A list of low..high entries; says whether it is, so that a caller need not walk a list that is too long."""
        if low <= len(values) <= high:
            return True
        self.add(field, f"{len(values)} entries, not {low}..{high}")
        return False

    def check_known(self, field: str, name: str, known: Sequence[str]) -> None:
        """A name out of those of the package."""
        if name not in known:
            self.add(field, f"{shown(name)} is not one of {', '.join(known) or '(none)'}")


def shown(value: str) -> str:
    """The value as a quoted literal in ASCII, shortened to what fits into one line."""
    literal = ascii(value)
    return literal if len(literal) <= MAX_SHOWN else literal[:MAX_SHOWN] + "...'"
