"""The refused rows of `shortlist.events`; what goes wrong there is an InputError here, which the commands print."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from shortlist import events
from shortlist_training.errors import InputError


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Inside, a DataError becomes an InputError with the same words."""
    try:
        yield
    except events.DataError as error:
        raise InputError(str(error)) from error


class Rejects(events.Rejects):
    """The refused rows of one reading, in file order."""

    def write(self, path: Path) -> None:
        """Write all of them as CSV: file, line, reason, content; InputError where that is not possible."""
        with input_errors():
            super().write(path)
