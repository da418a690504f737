"""Opening a sound package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist_server.catalog import load_golden, open_package


def test_a_sound_package_opens_with_every_part_it_names(package_dir: Path) -> None:
    package = open_package(package_dir)
    assert package.catalog.num_items == 60
    assert set(package.vectors) == {"two_tower"}
    assert set(package.neighbours) == {"item_neighbours"}
    assert set(package.models) == {"user_tower", "ranker"}
    assert package.models["ranker"].rows_per_run == 1
    assert [source.type for source in package.manifest.sources] == ["two_tower", "item_neighbours", "popular"]


def test_golden_user_tower_answer_is_reproduced_from_the_parts(package_dir: Path) -> None:
    package = open_package(package_dir)
    request = load_golden(package).requests[0]
    rows = package.catalog.rows([event.item_id for event in request.history])
    history = np.zeros((1, package.manifest.max_history), np.int64)
    history[0, -len(rows) :] = rows + 1
    user = package.models["user_tower"].run({"history_items": history})["user_vector"]
    scores, ids = package.vectors["two_tower"].search(
        user, request.k, exclude=rows.astype(np.int64), mask=package.catalog.available
    )
    golden = request.sources["two_tower"]
    assert [package.catalog.item_ids[row] for row in ids[0]] == list(golden.item_ids)
    np.testing.assert_allclose(scores[0], golden.scores, atol=1e-6)
