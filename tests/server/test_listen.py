"""What a server that is ready says, and what is read back from it."""

from __future__ import annotations

import pytest

from shortlist_server.listen import Ready, address_of


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("[::1]", "[::1]:80")]
)
def test_the_printed_line_gives_back_what_was_told(host: str, address: str) -> None:
    ready = Ready(package_id="shop-20261124T040000Z-1a2b3c4d", address=address_of(host, 80))
    assert str(ready) == f"serving shop-20261124T040000Z-1a2b3c4d on {address}"
    assert Ready.parse(f"{ready}\n") == ready


@pytest.mark.parametrize("line", ["", "error: no such file", "serving shop at 127.0.0.1:80", "serving shop on"])
def test_another_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not the line of a server that is ready"):
        Ready.parse(line)
