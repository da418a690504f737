"""A model that answers NaN or infinity is left out of that reply, which says so; no other reply changes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shortlist.package import PackageError
from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_FAILED,
    EXPLANATION_LEVEL_FULL,
    STAGE_RETRIEVE,
    STAGE_SCORE,
    Stage,
)
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import RecommendRequest, RecommendResponse
from shortlist_server.batching.deadline import Task
from shortlist_server.catalog.package import open_package
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.startup.golden import replay_golden
from tests.server.pipeline.poison import POISONOUS_ITEM, Poison, poison_ranker, poison_tower

EditManifest = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile = Callable[[str, bytes], None]


def request(*item_ids: str) -> RecommendRequest:
    made = RecommendRequest(history=History(item_ids=item_ids), k=10, explanation_level=EXPLANATION_LEVEL_FULL)
    made.diversity.strength = 0.3
    return made


def answers(package: Path, *requests: RecommendRequest) -> list[RecommendResponse]:
    pipeline = Pipeline(open_package(package), None)
    outcomes = pipeline.run([Task(one) for one in requests])
    pipeline.close()
    replies = [outcome for outcome in outcomes if isinstance(outcome, RecommendResponse)]
    assert len(replies) == len(requests)
    for reply in replies:
        del reply.timings[:]
        assert len(reply.items) == 10
        assert all(math.isfinite(item.score) for item in reply.items)
        assert math.isfinite(reply.relevance_lost)
    return replies


def check(poisoned: Path, sound: Path, stage: Stage, name: str) -> RecommendResponse:
    """Only the reply of the poisonous item names the model; the others are those of the sound package."""
    requests = [request("item-017", "item-033"), request("item-017", POISONOUS_ITEM), request("item-033")]
    found, expected = answers(poisoned, *requests), answers(sound, *requests)
    assert (found[0], found[2]) == (expected[0], expected[2])
    (degraded,) = found[1].degraded
    assert (degraded.stage, degraded.source, degraded.reason) == (stage, name, DEGRADATION_REASON_FAILED)
    assert "NaN or infinity" in degraded.detail
    return found[1]


@pytest.mark.parametrize("poison", ["nan", "infinity"])
def test_a_user_tower_that_answers_no_number_is_left_out(
    poison: Poison, package_copy: Path, package_dir: Path, edit_manifest: EditManifest, replace_file: ReplaceFile
) -> None:
    poison_tower(package_copy, edit_manifest, replace_file, poison)
    reply = check(package_copy, package_dir, STAGE_RETRIEVE, "two_tower")
    assert not any(reason.found_by.source == "two_tower" for item in reply.items for reason in item.reasons)


@pytest.mark.parametrize("poison", ["nan", "infinity"])
def test_the_fused_score_stands_in_for_a_ranker_that_answers_no_number(
    poison: Poison, package_copy: Path, package_dir: Path, replace_file: ReplaceFile
) -> None:
    poison_ranker(package_copy, replace_file, poison)
    reply = check(package_copy, package_dir, STAGE_SCORE, "ranker")
    for item in reply.items:
        parts = item.reasons[-1].score_parts
        assert item.score == parts.fused
        assert not parts.HasField("ranker")
        assert not parts.heads


def test_the_golden_check_names_a_model_that_answers_no_number(
    package_copy: Path, edit_manifest: EditManifest, replace_file: ReplaceFile
) -> None:
    poison_ranker(package_copy, replace_file, "nan")
    golden = json.loads((package_copy / "golden.json").read_text("utf-8"))
    golden["requests"][0]["history"].append({"item_id": POISONOUS_ITEM, "timestamp": str(2_000_000_000)})
    replace_file("golden.json", json.dumps(golden).encode())
    pipeline = Pipeline(open_package(package_copy), None)
    with pytest.raises(PackageError, match=r"golden\.json: requests\[0\]: ranker answered NaN or infinity"):
        replay_golden(pipeline)
    pipeline.close()
