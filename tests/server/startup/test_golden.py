"""Golden requests are replayed through the pipeline; a difference names the request and the list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shortlist.package import PackageError
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.sources import SourceQuery
from shortlist_server.startup.golden import replay_golden

ReplaceFile = Callable[[str, bytes], None]


def check(package: Package) -> int:
    pipeline = Pipeline(package, None)
    try:
        return replay_golden(pipeline)
    finally:
        pipeline.close()


def test_a_sound_package_agrees(package: Package) -> None:
    assert check(package) == 4


def _swap_first_two(golden: Any) -> None:
    ids = golden["requests"][0]["ranked"]["item_ids"]
    ids[0], ids[1] = ids[1], ids[0]


def _shift_score(golden: Any) -> None:
    golden["requests"][1]["sources"][1]["list"]["scores"][2] += 0.01


def _drop_last(golden: Any) -> None:
    for column in golden["requests"][3]["fused"].values():
        column.pop()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_swap_first_two, "requests[0]: ranked: place 1 holds"),
        (_shift_score, "requests[1]: item_neighbours: place 3 has score"),
        (_drop_last, "requests[3]: fused: 10 items, the package says 9"),
    ],
)
def test_a_difference_names_the_request_and_the_list(
    damage: Callable[[Any], None], named: str, package_copy: Path, replace_file: ReplaceFile
) -> None:
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    damage(golden)
    replace_file("golden.json", json.dumps(golden).encode())
    with pytest.raises(PackageError, match=r"golden\.json") as raised:
        check(open_package(package_copy))
    assert named in str(raised.value)


def test_items_may_swap_where_their_scores_are_as_close_as_the_tolerance(
    package_copy: Path, replace_file: ReplaceFile
) -> None:
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    golden["tolerance"] = 1.0
    _swap_first_two(golden)
    replace_file("golden.json", json.dumps(golden).encode())
    assert check(open_package(package_copy)) == 4


def test_a_part_that_fails_is_named(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> SourceQuery:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(package.sources[0], "query", broken)
    with pytest.raises(PackageError, match=r"requests\[0\]: two_tower failed and was left out"):
        check(package)


def test_a_source_that_the_package_does_not_have_is_named(package_copy: Path, replace_file: ReplaceFile) -> None:
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    golden["requests"][2]["sources"][1]["name"] = "nobody"
    replace_file("golden.json", json.dumps(golden).encode())
    with pytest.raises(PackageError, match=r"requests\[2\]: 'nobody' is not a source of the package"):
        check(open_package(package_copy))
