"""Golden requests: read as they are written, refused when they speak of things that the package lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from shortlist_server.catalog import load_golden, open_package
from shortlist_server.errors import PackageError

ReplaceFile: TypeAlias = Callable[[str, bytes], None]


def test_golden_requests_are_read_in_order(package_dir: Path) -> None:
    golden = load_golden(open_package(package_dir))
    assert golden.tolerance == 1e-4
    assert [len(request.history) for request in golden.requests] == [3, 14, 2, 0]
    first = golden.requests[0]
    assert set(first.sources) == {"two_tower", "item_neighbours", "popular"}
    assert len(first.ranked.item_ids) == first.k == 10
    assert list(first.ranked.scores) == sorted(first.ranked.scores, reverse=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.update(requests=[]), "requests: Tuple should have at least 1 item"),
        (lambda g: g["requests"][0].update(k=0), "requests.0.k: Input should be greater than or equal to 1 (got 0)"),
        (lambda g: g["requests"][0].update(k=2**31), "requests.0.k: Input should be less than 2147483648"),
        (
            lambda g: g["requests"][0]["history"][0].update(timestamp=2**63),
            "requests.0.history.0.timestamp: Input should be less than 9223372036854775808",
        ),
        (lambda g: g["requests"][0]["fused"]["scores"].pop(), "requests.0.fused: 10 item_ids for 9 scores"),
        (
            lambda g: g["requests"][1]["ranked"]["item_ids"].__setitem__(0, "nothing"),
            "requests.1: item 'nothing' is not in items.parquet",
        ),
        (
            lambda g: g["requests"][0]["sources"].update(magic=g["requests"][0]["fused"]),
            "requests.0: source 'magic' is not in the manifest",
        ),
    ],
)
def test_golden_requests_that_do_not_fit_are_refused(
    package_copy: Path, replace_file: ReplaceFile, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    golden = json.loads((package_copy / "golden.json").read_text())
    change(golden)
    replace_file("golden.json", json.dumps(golden).encode())
    with pytest.raises(PackageError) as refusal:
        load_golden(open_package(package_copy))
    assert str(refusal.value).startswith(f"golden.json: {message}")
