"""The client when calls fail: deadlines, retries, errors, credentials."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped,unused-ignore]

import shortlist
from shortlist.v1 import answer_pb2, event_pb2, recommendation_pb2
from tests.protos.scripted_server import Script

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
OK = recommendation_pb2.RecommendResponse(items=[answer_pb2.RankedItem(item_id="a")])
Serve = Callable[[grpc.ServerCredentials | None], Script]


@pytest.fixture
def client(script: Script) -> Iterator[shortlist.Client]:
    with shortlist.Client(script.target, timeout_s=20) as client:
        yield client


def bad_request(**violations: str) -> Message:
    detail = error_details_pb2.BadRequest()
    for field, description in violations.items():
        detail.field_violations.add(field=field, description=description)
    assert isinstance(detail, Message)
    return detail


def test_bad_request_becomes_one_line_and_violations(script: Script, client: shortlist.Client) -> None:
    script.fail(grpc.StatusCode.INVALID_ARGUMENT, "2 fields", bad_request(k="0 is not in 1..1000", user_id="empty"))
    with pytest.raises(shortlist.InvalidRequestError) as caught:
        client.recommend(user_id="", k=0)
    assert str(caught.value) == "INVALID_ARGUMENT: k: 0 is not in 1..1000; user_id: empty"
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.violations == (
        shortlist.Violation("k", "0 is not in 1..1000"),
        shortlist.Violation("user_id", "empty"),
    )
    assert caught.value.retry_after_s is None
    assert len(script.requests) == 1


def test_retry_info_becomes_seconds(script: Script, client: shortlist.Client) -> None:
    wait = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    script.fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue\nis full", wait)
    with pytest.raises(shortlist.OverloadedError) as caught:
        client.recommend(user_id="u")
    assert str(caught.value) == "RESOURCE_EXHAUSTED: the queue is full"
    assert caught.value.retry_after_s == 1.5


def test_a_detail_of_another_kind_is_left_aside(script: Script, client: shortlist.Client) -> None:
    script.fail(grpc.StatusCode.UNIMPLEMENTED, "not served", error_details_pb2.ErrorInfo(reason="LATER"))
    with pytest.raises(shortlist.NotServedError, match=r"^UNIMPLEMENTED: not served$"):
        client.similar_items("a")


def test_an_unexpected_code_is_a_shortlist_error(script: Script, client: shortlist.Client) -> None:
    script.fail(grpc.StatusCode.DATA_LOSS, "a disk is gone")
    with pytest.raises(shortlist.ShortlistError, match=r"^DATA_LOSS: a disk is gone$") as caught:
        client.recommend(user_id="u")
    assert type(caught.value) is shortlist.ShortlistError


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b"\x08\x05", b"\x08\x03\x12\x05other"])
def test_garbled_details_do_not_hide_the_error(script: Script, client: shortlist.Client, details: bytes) -> None:
    script.fail_with_raw_details(grpc.StatusCode.INVALID_ARGUMENT, "bad", details)
    with pytest.raises(shortlist.InvalidRequestError, match=r"^INVALID_ARGUMENT: bad$"):
        client.recommend(user_id="u")


def test_every_call_has_the_clients_deadline_or_its_own(script: Script, client: shortlist.Client) -> None:
    script.answers.extend([OK, OK])
    client.recommend(user_id="u")
    client.recommend(user_id="u", timeout_s=10)
    # gRPC rounds what is left of a deadline up a little
    assert 11 < script.seconds_given[0] < 21
    assert 0 < script.seconds_given[1] < 11


def test_a_late_answer_is_deadline_exceeded(script: Script, client: shortlist.Client) -> None:
    script.answers.append("hang")
    with pytest.raises(shortlist.DeadlineExceededError, match=r"^DEADLINE_EXCEEDED: "):
        client.recommend(user_id="u", timeout_s=0.2)
    assert len(script.requests) == 1


def test_unavailable_is_retried(script: Script, client: shortlist.Client) -> None:
    script.fail(UNAVAILABLE, "restarting")
    script.fail(UNAVAILABLE, "restarting")
    script.answers.append(OK)
    assert client.recommend(user_id="u").items[0].item_id == "a"
    assert len(script.requests) == 3
    assert script.metadata[2]["grpc-previous-rpc-attempts"] == "2"


def test_recording_events_is_retried_too(script: Script, client: shortlist.Client) -> None:
    script.fail(UNAVAILABLE, "restarting")
    script.answers.append(event_pb2.RecordEventsResponse(num_recorded=1))
    assert client.record_events([shortlist.Event(user_id="u", item_id="i", type="view", timestamp=1)]) == 1
    assert script.requests[0] == script.requests[1]


def test_the_fourth_attempt_is_the_last(script: Script, client: shortlist.Client) -> None:
    for attempt in range(5):
        script.fail(UNAVAILABLE, f"attempt {attempt}")
    with pytest.raises(shortlist.UnavailableError, match=r"^UNAVAILABLE: attempt 3$"):
        client.recommend(user_id="u")
    assert len(script.requests) == 4


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_other_failures_are_not_retried(script: Script, client: shortlist.Client, code: grpc.StatusCode) -> None:
    script.fail(code, "no")
    script.answers.append(OK)
    with pytest.raises(shortlist.ShortlistError):
        client.recommend(user_id="u")
    assert len(script.requests) == 1


def test_no_server_is_unavailable() -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        with (
            shortlist.Client(f"127.0.0.1:{taken.getsockname()[1]}", timeout_s=20) as client,
            pytest.raises(shortlist.UnavailableError, match=r"^UNAVAILABLE: [^\n]*$"),
        ):
            client.recommend(user_id="u")


def test_waiting_for_ready_waits_until_the_deadline() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            shortlist.Client(target, timeout_s=0.3, wait_for_ready=True) as client,
            pytest.raises(shortlist.DeadlineExceededError),
        ):
            client.recommend(user_id="u")


def test_the_token_goes_along_on_this_machine(script: Script) -> None:
    script.answers.append(OK)
    with shortlist.Client(script.target, token="s3cret", timeout_s=20) as client:
        client.recommend(user_id="u")
    assert script.metadata[0]["authorization"] == "Bearer s3cret"


def test_without_a_token_there_is_no_authorization(script: Script, client: shortlist.Client) -> None:
    script.answers.append(OK)
    client.recommend(user_id="u")
    assert "authorization" not in script.metadata[0]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """The files of a certificate for localhost, signed by itself, and of its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_the_token_goes_along_over_tls(serve: Serve, certificate: tuple[Path, Path]) -> None:
    path, key = certificate
    script = serve(grpc.ssl_server_credentials([(key.read_bytes(), path.read_bytes())]))
    script.answers.append(OK)
    with shortlist.Client(script.target, token="s3cret", tls=shortlist.Tls(ca=path), timeout_s=20) as client:
        assert client.recommend(user_id="u").items[0].item_id == "a"
    assert script.metadata[0]["authorization"] == "Bearer s3cret"


def test_a_certificate_that_is_not_trusted_is_refused(serve: Serve, certificate: tuple[Path, Path]) -> None:
    path, key = certificate
    script = serve(grpc.ssl_server_credentials([(key.read_bytes(), path.read_bytes())]))
    with shortlist.Client(script.target, tls=True, timeout_s=20) as client, pytest.raises(shortlist.UnavailableError):
        client.recommend(user_id="u")
    assert script.requests == []
