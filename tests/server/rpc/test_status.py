"""Each error has one canonical code; what nobody expected is told by an id only."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import DecodeError
from structlog.testing import capture_logs

from shortlist.package import PackageError
from shortlist_server.errors import (
    DeadlineImpossibleError,
    InvalidRequestError,
    NotServedError,
    OverloadedError,
    ShuttingDownError,
    StateError,
)
from shortlist_server.rpc.status import problem_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequestError([("k", "0 is not in 1..1000")]), grpc.StatusCode.INVALID_ARGUMENT),
        (DecodeError("garbage"), grpc.StatusCode.INVALID_ARGUMENT),
        (NotServedError("later"), grpc.StatusCode.UNIMPLEMENTED),
        (OverloadedError("full", 0.25), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (DeadlineImpossibleError("late"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (ShuttingDownError("bye"), grpc.StatusCode.UNAVAILABLE),
        (StateError("disk full"), grpc.StatusCode.UNAVAILABLE),
        (PackageError("items.parquet", "gone"), grpc.StatusCode.INTERNAL),
        (ValueError("bug"), grpc.StatusCode.INTERNAL),
    ],
)
def test_each_error_has_its_canonical_code(error: Exception, code: grpc.StatusCode) -> None:
    with capture_logs():
        problem = problem_of(error, "/method")
    assert problem.code is code
    assert problem.to_status().code == problem.to_request_error().code == code.value[0]


def test_an_unexpected_error_is_logged_under_the_id_that_the_caller_is_told() -> None:
    with capture_logs() as logs:
        problem = problem_of(RuntimeError("secret of user ann"), "/method")
    (entry,) = logs
    assert entry["error_id"] in problem.message
    assert isinstance(entry["exc_info"], RuntimeError)
    assert "secret" not in problem.message


def test_the_time_to_wait_is_never_rounded_to_nothing() -> None:
    problem = problem_of(OverloadedError("full", 0.0001), "/method")
    assert problem.to_request_error().retry_after_ms == 1
