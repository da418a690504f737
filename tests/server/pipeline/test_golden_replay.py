"""Golden requests are replayed through the funnel; a difference names the request and the list."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist_server.app import check_golden
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.errors import PackageError
from shortlist_server.pipeline.batch import Asked, Profiles
from shortlist_server.pipeline.golden import replay_golden
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.sources import Source, build_sources

ReplaceFile = Callable[[str, bytes], None]


def test_a_sound_package_agrees(package: Package) -> None:
    assert check_golden(package) == 4


def _swap_first_two(golden: Any) -> None:
    ids = golden["requests"][0]["ranked"]["item_ids"]
    ids[0], ids[1] = ids[1], ids[0]


def _shift_score(golden: Any) -> None:
    golden["requests"][1]["sources"]["item_neighbours"]["scores"][2] += 0.01


def _drop_last(golden: Any) -> None:
    for column in golden["requests"][3]["fused"].values():
        column.pop()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_swap_first_two, "requests.0: ranked: place 1 holds"),
        (_shift_score, "requests.1: item_neighbours: place 3 has score"),
        (_drop_last, "requests.3: fused: 10 items, the package says 9"),
    ],
)
def test_a_difference_names_the_request_and_the_list(
    damage: Callable[[Any], None], named: str, package_copy: Path, replace_file: ReplaceFile
) -> None:
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    damage(golden)
    replace_file("golden.json", json.dumps(golden).encode())
    with pytest.raises(PackageError, match=r"golden\.json") as raised:
        check_golden(open_package(package_copy))
    assert named in str(raised.value)


def test_items_may_swap_where_their_scores_are_as_close_as_the_tolerance(
    package_copy: Path, replace_file: ReplaceFile
) -> None:
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    golden["tolerance"] = 10.0
    _swap_first_two(golden)
    replace_file("golden.json", json.dumps(golden).encode())
    assert check_golden(open_package(package_copy)) == 4


def test_scores_beyond_all_numbers_are_a_difference(package_copy: Path, replace_file: ReplaceFile) -> None:
    stream = io.BytesIO()
    np.save(stream, np.full((60, 8), 3e38, np.float32))
    replace_file("vectors/two_tower.npy", stream.getvalue())
    with pytest.raises(PackageError, match=r"golden\.json: requests\.0: two_tower: place 1 has score"):
        check_golden(open_package(package_copy))


class Failing:
    """A source that never works."""

    needs_history = False

    def __init__(self, source: Source) -> None:
        self.name, self.weight = source.name, source.weight

    def ask(self, profiles: Profiles) -> Asked:
        raise RuntimeError("broken on purpose")


def test_a_part_that_fails_is_named(package: Package) -> None:
    first, *others = build_sources(package)
    pipeline = Pipeline(package, None, sources=[Failing(first), *others])
    with pytest.raises(PackageError, match="a request met a fault: two_tower failed and was left out"):
        replay_golden(pipeline)
    pipeline.close()
