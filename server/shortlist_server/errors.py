"""The errors of the server. Each says who raises it and when; `rpc` turns them into gRPC status in one place.

A bad argument from our own code stays a `ValueError`, a broken promise of our own code an `AssertionError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final


class InvalidRequest(Exception):  # noqa: N818 - a condition of the request, not a fault of the server
    """A request breaks its documented limits. Raised by `decode` and by the servicers; becomes INVALID_ARGUMENT.

    `violations` holds every (field, description) found, so that a caller can mend all of them at once.
    """

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        assert violations, "an invalid request names at least one field"
        self.violations: list[tuple[str, str]] = list(violations)
        super().__init__("; ".join(f"{field}: {description}" for field, description in self.violations))


class NotServed(Exception):  # noqa: N818 - a condition of the request, not a fault of the server
    """The contract has the RPC or the option, this server does not answer it. Raised by servicers and by `decode`;
    becomes UNIMPLEMENTED.
    """


class Overloaded(Exception):  # noqa: N818 - a condition of the request, not a fault of the server
    """A queue is full, the work was not begun. Raised by the batcher at the door and by the group commit;
    becomes RESOURCE_EXHAUSTED with RetryInfo.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineImpossible(Exception):  # noqa: N818 - a condition of the request, not a fault of the server
    """The caller's deadline passes before the answer could be ready. Raised by the batcher and between stages;
    becomes DEADLINE_EXCEEDED.
    """


class ShuttingDown(Exception):  # noqa: N818 - a condition of the server, not a fault
    """The call came after the server was told to stop, nothing was done. Raised by the interceptor; becomes
    UNAVAILABLE, which callers may retry elsewhere.
    """


class PackageError(Exception):
    """A model package is not what its manifest says. Raised by `catalog.open_package`, by `inference.OnnxModel` when
    it loads and by the golden check, before anything is served. The message is one line: the file and the reason.
    """

    _MOST_CHARACTERS: Final = 500

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(" ".join(f"{file}: {reason}".split())[: self._MOST_CHARACTERS])
        self.file = file

    def at(self, directory: Path) -> str:
        """The message for a person, with the directory of the package in front."""
        return str(self) if self.file == str(directory) else f"{directory}/{self}"


class StateError(Exception):
    """The store could not read or could not make durable what it was given; nothing of that call was acknowledged.
    Raised by the stores of `state` and by the group commit; becomes UNAVAILABLE.
    """
