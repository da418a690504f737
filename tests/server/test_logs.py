"""Logs are JSON lines on standard error without raw user ids."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from shortlist_server.logs import configure_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_traceback_names_files_and_lines_but_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")

    def fail(user_id: str) -> None:
        raise ValueError(f"{len(user_id)} bytes")

    try:
        fail("user-of-this-test")
    except ValueError:
        structlog.get_logger().exception("left out")
    written = capsys.readouterr()
    assert written.out == ""
    entry = json.loads(written.err)
    assert entry["event"] == "left out"
    assert entry["level"] == "error"
    assert entry["exception"][0]["frames"][-1]["name"] == "fail"
    assert "user-of-this-test" not in written.err


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning")
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("news")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["news"]
