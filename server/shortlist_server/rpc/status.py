"""Errors of the server as gRPC status: the one place that knows canonical codes and google.rpc details."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo  # type: ignore[import-untyped,unused-ignore]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped,unused-ignore]

from shortlist.v1.answer_pb2 import FieldViolation, RequestError
from shortlist_server.errors import (
    DeadlineImpossibleError,
    InvalidRequestError,
    NotServedError,
    OverloadedError,
    ShuttingDownError,
    StateError,
)

DOMAIN = "shortlist"
DETAILS_KEY = "grpc-status-details-bin"
# Messages travel in trailing metadata, which gRPC limits to 8 KiB in all, as text and as google.rpc.Status.
MAX_MESSAGE_CHARACTERS = 300

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as callers see it. `reason` is for programs, `message` for people."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None

    def to_status(self) -> Status:
        """As google.rpc.Status, with ErrorInfo and what else applies."""
        status = Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(ErrorInfo(reason=self.reason, domain=DOMAIN))
        if self.violations:
            fields = [
                BadRequest.FieldViolation(field=field, description=description)
                for field, description in self.violations
            ]
            status.details.add().Pack(BadRequest(field_violations=fields))
        if self.retry_after_s is not None:
            delay = Duration()
            delay.FromMilliseconds(self._retry_after_ms())
            status.details.add().Pack(RetryInfo(retry_delay=delay))
        return status

    def to_request_error(self) -> RequestError:
        """As the error of one request among several."""
        return RequestError(
            code=self.code.value[0],
            message=self.message,
            violations=[FieldViolation(field=field, description=text) for field, text in self.violations],
            retry_after_ms=None if self.retry_after_s is None else self._retry_after_ms(),
        )

    def _retry_after_ms(self) -> int:
        return max(1, round((self.retry_after_s or 0.0) * 1000))


def problem_of(error: Exception, method: str) -> Problem:
    """What a caller of `method` is told about `error`. An unexpected error is logged under an id, and only that id is
    told.
    """
    message = str(error)[:MAX_MESSAGE_CHARACTERS]
    match error:
        case InvalidRequestError():
            violations = tuple(error.violations)
            return Problem(
                code=grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_REQUEST", message=message, violations=violations
            )
        case DecodeError():
            text = "the request is not a message of this method"
            return Problem(code=grpc.StatusCode.INVALID_ARGUMENT, reason="MALFORMED_REQUEST", message=text)
        case NotServedError():
            return Problem(code=grpc.StatusCode.UNIMPLEMENTED, reason="NOT_SERVED", message=message)
        case OverloadedError():
            return Problem(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason="OVERLOADED",
                message=message,
                retry_after_s=error.retry_after_s,
            )
        case DeadlineImpossibleError():
            return Problem(code=grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEADLINE_IMPOSSIBLE", message=message)
        case ShuttingDownError():
            return Problem(code=grpc.StatusCode.UNAVAILABLE, reason="SHUTTING_DOWN", message=message)
        case StateError():
            log.error("the store failed", method=method, error=message)
            return Problem(code=grpc.StatusCode.UNAVAILABLE, reason="STATE_UNAVAILABLE", message=message)
        case _:
            error_id = uuid.uuid4().hex
            log.error("unexpected error", method=method, error_id=error_id, exc_info=error)
            text = f"unexpected error, see the server's log under {error_id}"
            return Problem(code=grpc.StatusCode.INTERNAL, reason="INTERNAL", message=text)
