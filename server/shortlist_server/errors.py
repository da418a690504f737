"""The errors of the server. Each says who raises it and when; `rpc` turns them into gRPC status in one place.

A package that is not what its manifest says is `shortlist.package.PackageError`. A bad argument from our own code stays
a `ValueError`, a broken promise of our own code an `AssertionError`.
"""

from __future__ import annotations

from collections.abc import Sequence


class InvalidRequestError(Exception):
    """A request breaks its documented limits. Raised by `decode` and by the servicers; becomes INVALID_ARGUMENT.

    `violations` holds every (field, description) found, so that a caller can mend all of them at once.
    """

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        assert violations, "an invalid request names at least one field"
        self.violations: list[tuple[str, str]] = list(violations)
        super().__init__("; ".join(f"{field}: {description}" for field, description in self.violations))


class NotServedError(Exception):
    """The contract has the RPC or the option, this server does not answer it. Raised by servicers and by `decode`;
    becomes UNIMPLEMENTED.
    """


class OverloadedError(Exception):
    """A queue is full, the work was not begun. Raised by the queues of the batcher and by the group
    commit; becomes RESOURCE_EXHAUSTED with RetryInfo.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineImpossibleError(Exception):
    """The caller's deadline passes before the answer could be ready. Raised by the queues of the batcher and
    between stages; becomes DEADLINE_EXCEEDED.
    """


class ShuttingDownError(Exception):
    """The call came after the server was told to stop, nothing was done. Raised by the interceptor; becomes
    UNAVAILABLE, which callers may retry elsewhere.
    """


class StateError(Exception):
    """The store cannot be reached, or could not read or make durable what it was given; nothing of that call was
    acknowledged. Raised by the stores of `state` and by the group commit; becomes UNAVAILABLE.

    Callers of the server read the message: it names no path and no user. Only what a store raises when it is opened
    names its directory, for the person who starts the server.
    """


class DamagedRecordError(StateError):
    """The store works, but the record of one user cannot be decoded. Raised by `Store.profiles` and `Store.append`
    when such a user is among those asked for; the others can be asked for without it.
    """
