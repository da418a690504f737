"""The errors of the client: one line to read, and the parts of it for programs.

Every failed call raises a ShortlistError; its subclasses are the codes that callers treat apart.
Arguments that cannot be sent at all raise ValueError before a call is made.
"""

from typing import Protocol, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped,unused-ignore]
from grpc_status import rpc_status

from shortlist.replies import Violation
from shortlist.v1 import answer_pb2

CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class ShortlistError(Exception):
    """A call failed.

    `code` is the canonical name ("INVALID_ARGUMENT"), `violations` the wrong fields of the request, and
    `retry_after_s` how long to wait before trying again (None: the server did not say).
    """

    def __init__(
        self,
        code: str,
        message: str,
        violations: tuple[Violation, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        text = "; ".join(f"{violation.field}: {violation.description}" for violation in violations) or message
        super().__init__(" ".join(f"{code}: {text}".split()))
        self.code = code
        self.violations = violations
        self.retry_after_s = retry_after_s


class InvalidRequestError(ShortlistError):
    """INVALID_ARGUMENT: the request is wrong, see `violations`; sending it again will not help."""


class OverloadedError(ShortlistError):
    """RESOURCE_EXHAUSTED: the server has too much to do; wait `retry_after_s`."""


class DeadlineExceededError(ShortlistError):
    """DEADLINE_EXCEEDED: there was no answer within the time given, or there would have been none."""


class UnavailableError(ShortlistError):
    """UNAVAILABLE: no server could be reached, also after the client's own retries."""


class NotServedError(ShortlistError):
    """UNIMPLEMENTED: this server does not serve the call or an option of it."""


ERRORS: dict[str, type[ShortlistError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "UNAVAILABLE": UnavailableError,
    "UNIMPLEMENTED": NotServedError,
}


class FailedCall(Protocol):
    """What the errors of grpc and of grpc.aio have in common."""

    def code(self) -> grpc.StatusCode: ...  # noqa: D102
    def details(self) -> str | None: ...  # noqa: D102


def from_call(call: FailedCall) -> ShortlistError:
    """The error of a failed call, with what its google.rpc details say."""
    code = call.code().name
    violations, retry_after_s = parse_details(rich_status(call))
    return ERRORS.get(code, ShortlistError)(code, call.details() or "no details", violations, retry_after_s)


def from_request_error(error: answer_pb2.RequestError) -> ShortlistError:
    """The error of one request among several."""
    code = CODE_NAMES.get(error.code, str(error.code))
    violations = tuple(Violation(violation.field, violation.description) for violation in error.violations)
    retry_after_s = error.retry_after_ms / 1000 if error.HasField("retry_after_ms") else None
    return ERRORS.get(code, ShortlistError)(code, error.message or "no details", violations, retry_after_s)


def rich_status(call: FailedCall) -> status_pb2.Status:
    """The google.rpc.Status of a failed call; an empty one when there is none or a proxy has garbled it."""
    try:
        status = rpc_status.from_call(cast("grpc.Call", call))
    except (ValueError, DecodeError):
        status = None
    return status if isinstance(status, status_pb2.Status) else status_pb2.Status()


def parse_details(status: status_pb2.Status) -> tuple[tuple[Violation, ...], float | None]:
    """The field violations and the seconds to wait, from BadRequest and RetryInfo; skips details that do not parse."""
    violations: list[Violation] = []
    retry_after_s = None
    bad_request, retry_info = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        try:
            if detail.Unpack(bad_request):
                violations += [Violation(field.field, field.description) for field in bad_request.field_violations]
            elif detail.Unpack(retry_info):
                retry_after_s = retry_info.retry_delay.ToTimedelta().total_seconds()
        except DecodeError:
            continue
    return tuple(violations), retry_after_s
