"""Packages that lack what may be left out, and one whose ranker looks at the circumstances of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from shortlist.package import Draft
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.answer_pb2 import (
    DEGRADATION_REASON_COLD_START,
    DEGRADATION_REASON_DEADLINE,
    DEGRADATION_REASON_FAILED,
    DEGRADATION_REASON_NOT_IN_PACKAGE,
    EXPLANATION_LEVEL_FULL,
    STAGE_FUSE,
    STAGE_RERANK,
    STAGE_RETRIEVE,
    STAGE_SCORE,
)
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import (
    Context,
    ContextFeature,
    HeadWeight,
    RankRequest,
    RecommendRequest,
    RecommendResponse,
    SimilarItemsRequest,
    SourceWeight,
)
from shortlist_server.batching.deadline import UNLIMITED, Task
from shortlist_server.batching.levels import Level
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.errors import InvalidRequestError
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.sources import Source, SourceQuery
from shortlist_server.pipeline.types import Batch
from shortlist_server.search.similar import SimilarItems
from shortlist_server.startup.golden import replay_golden
from shortlist_server.startup.warm_up import warm_up
from tests.server.conftest import SmallWorld, golden_message, graph_entry, make_graph, small_manifest, sparse

Ask = Callable[..., Any]
HISTORY = History(item_ids=["item-004", "item-017"])


def write(root: Path, add: Callable[[Draft, SmallWorld], manifest.Manifest]) -> Package:
    world = SmallWorld()
    with Draft(root) as draft:
        draft.publish(add(draft, world))
    return open_package(root)


def neighbours(draft: Draft, world: SmallWorld) -> manifest.Manifest:
    """One source and nothing else."""
    draft.add_matrix("neighbours", sparse(world.similarity_NN))
    rows = [4, 17]
    scores_N = world.similarity_NN[rows].sum(axis=0)
    allowed_N = world.available_N & (scores_N > 0) & ~np.isin(np.arange(60), rows)
    best = [int(row) for row in np.argsort(-scores_N, kind="stable") if allowed_N[row]][:5]
    low, high = scores_N[allowed_N][np.argsort(-scores_N[allowed_N])][:20].min(), scores_N[best[0]]
    listed = {"item_ids": [world.item_ids[row] for row in best], "scores": [float(scores_N[row]) for row in best]}
    fused = listed | {"scores": [float((scores_N[row] - low) / (high - low)) for row in best]}
    events = [{"item_id": world.item_ids[row], "timestamp": row} for row in rows]
    answer = {"history": events, "k": 5, "sources": {"neighbours": listed}, "fused": fused, "ranked": fused}
    draft.add_golden(golden_message([answer]))
    matrix = manifest.ItemMatrix(history=manifest.HistoryWeights(max_items=10))
    return small_manifest(world.add_items(draft), [manifest.Source(name="neighbours", weight=1.0, item_matrix=matrix)])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write(tmp_path_factory.mktemp("bare") / "package", neighbours)


@pytest.fixture(scope="module")
def bare_pipeline(bare: Package) -> Iterator[Pipeline]:
    opened = Pipeline(bare, None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bare_ask(bare_pipeline: Pipeline) -> Ask:
    def one(request: Any) -> Any:
        (outcome,) = bare_pipeline.run([Task(request)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return one


def noted(reply: Any) -> list[tuple[int, str, int]]:
    return [(one.stage, one.source, one.reason) for one in reply.degraded]


def test_a_package_of_one_source_is_checked_warmed_up_and_served(bare_pipeline: Pipeline, bare_ask: Ask) -> None:
    assert replay_golden(bare_pipeline) == 1
    warm_up(bare_pipeline, 4)
    reply = bare_ask(RecommendRequest(history=HISTORY, k=5, explanation_level=EXPLANATION_LEVEL_FULL))
    assert noted(reply) == []
    for item in reply.items:
        assert [reason.WhichOneof("kind") for reason in item.reasons] == ["because_of", "found_by", "score_parts"]
        parts = item.reasons[-1].score_parts
        assert item.score == parts.fused
        assert not parts.HasField("ranker")


def test_without_a_fallback_source_the_order_of_the_catalogue_fills_up_and_the_reply_says_so(bare_ask: Ask) -> None:
    reply = bare_ask(RecommendRequest(user_id="nobody", k=6, explanation_level=EXPLANATION_LEVEL_FULL))
    assert [item.item_id for item in reply.items] == [f"item-{row:03d}" for row in (0, 1, 2, 3, 4, 6)]  # 5 is sold out
    assert noted(reply) == [
        (STAGE_RETRIEVE, "neighbours", DEGRADATION_REASON_COLD_START),
        (STAGE_FUSE, "", DEGRADATION_REASON_NOT_IN_PACKAGE),
    ]
    scores = [item.score for item in reply.items]
    assert scores == sorted(set(scores), reverse=True)


def test_the_candidates_of_rank_are_not_filled_up(bare_ask: Ask) -> None:
    reply = bare_ask(RankRequest(history=HISTORY, item_ids=["item-050", "item-005", "item-001", "item-033"]))
    assert len(reply.items) == 4
    assert noted(reply) == []


def test_diversity_without_a_space_for_it_is_left_out_and_named(bare_ask: Ask) -> None:
    plain = RecommendRequest(history=HISTORY, k=5, explanation_level=EXPLANATION_LEVEL_FULL)
    varied = RecommendRequest()
    varied.CopyFrom(plain)
    varied.diversity.strength = 1.0
    expected, reply = bare_ask(plain), bare_ask(varied)
    assert reply.items == expected.items
    assert noted(reply) == [(STAGE_RERANK, "diversity", DEGRADATION_REASON_NOT_IN_PACKAGE)]


def test_head_weights_without_a_ranker_are_refused(bare_ask: Ask) -> None:
    with pytest.raises(InvalidRequestError, match=r"head_weights: 1 entries, not 0\.\.0"):
        bare_ask(RecommendRequest(user_id="ann", head_weights=[HeadWeight(name="click")]))


def test_a_source_whose_score_nobody_reads_is_not_asked(
    package: Package, bare: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ranker of the small package reads the scores of all sources, but does not run on every level."""
    asked: list[str] = []
    for kind in {type(source) for source in (*package.sources, *bare.sources)}:
        monkeypatch.setattr(kind, "query", noting(kind.query, asked))
    request = RecommendRequest(history=HISTORY, k=5, sources=[SourceWeight(name="popular")])
    for level, names in ((Level.FULL, ["two_tower", "item_neighbours", "popular"]), (Level.NO_SCORE, ["popular"])):
        asked.clear()
        answer_at(package, request, level)
        assert asked == names


def noting(query: Callable[..., SourceQuery], asked: list[str]) -> Callable[..., SourceQuery]:
    def noting_query(source: Source, *given: Any) -> SourceQuery:
        asked.append(source.name)
        return query(source, *given)

    return noting_query


def answer_at(package: Package, request: RecommendRequest, level: Level) -> Any:
    """One request on a level, whatever its deadline."""
    pipeline = Pipeline(package, None)
    (query,) = decode([request], pipeline.defaults, 0)
    assert isinstance(query, Query)
    (reply,), _ = pipeline.answer(Batch((query,), (UNLIMITED,), level))
    pipeline.close()
    return reply


def test_on_the_last_level_a_package_without_a_fallback_answers_in_the_order_of_the_catalogue(bare: Package) -> None:
    reply = answer_at(bare, RecommendRequest(history=HISTORY, k=3), Level.FALLBACK)
    assert [item.item_id for item in reply.items] == ["item-000", "item-001", "item-002"]
    assert noted(reply) == [
        (STAGE_RETRIEVE, "neighbours", DEGRADATION_REASON_DEADLINE),
        (STAGE_FUSE, "", DEGRADATION_REASON_NOT_IN_PACKAGE),
    ]


def test_items_are_compared_by_the_first_source_that_can(bare: Package, package: Package) -> None:
    request = SimilarItemsRequest(item_id="item-004", k=5)
    default, by_tower = (
        SimilarItems(package).run([Task(one)])[0]
        for one in (request, SimilarItemsRequest(item_id="item-004", k=5, source="two_tower"))
    )
    assert not isinstance(default, Exception)
    assert not isinstance(by_tower, Exception)
    assert default.items == by_tower.items
    (refused,) = SimilarItems(bare).run([Task(SimilarItemsRequest(item_id="item-004", source="popular"))])
    assert isinstance(refused, InvalidRequestError)
    assert refused.violations == [("source", "'popular' is not one of neighbours")]


def two_matrices(draft: Draft, world: SmallWorld) -> manifest.Manifest:
    """A second matrix, and nothing that reads the scores of both."""
    entry = neighbours(draft, world)
    draft.add_matrix("backwards", sparse(world.similarity_NN[::-1, ::-1]))
    other = manifest.Source(name="backwards", weight=0.5)
    other.item_matrix.CopyFrom(entry.sources[0].item_matrix)
    entry.sources.append(other)
    return entry


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_hears_nothing_of_a_source_that_only_others_ask(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(tmp_path / "package", two_matrices)
    if fails:
        monkeypatch.setattr(package.sources[1], "query", None)
    pipeline = Pipeline(package, None)

    def request(*names: str) -> RecommendRequest:
        sources = [SourceWeight(name=name) for name in names]
        return RecommendRequest(history=HISTORY, k=5, sources=sources, explanation_level=EXPLANATION_LEVEL_FULL)

    alone: list[Any] = pipeline.run([Task(request("neighbours"))])
    together: list[Any] = pipeline.run([Task(request("neighbours")), Task(request("neighbours", "backwards"))])
    pipeline.close()
    for reply in (*alone, *together):
        del reply.timings[:]
    assert alone[0] == together[0]
    assert not alone[0].degraded
    assert bool(together[1].degraded) == fails
    named = {reason.because_of.source for item in together[1].items for reason in item.reasons} - {""}
    assert named == ({"neighbours"} if fails else {"neighbours", "backwards"})


def hourly(draft: Draft, world: SmallWorld) -> manifest.Manifest:
    """A ranker whose probability is context.hour x margin / 1000."""
    entry = neighbours(draft, world)
    node, value = helper.make_node, helper.make_tensor_value_info
    nodes = [
        node("Unsqueeze", ["hour", "axis_1"], ["hour_column"]),
        node("Mul", ["hour_column", "margin"], ["product"]),
        node("Div", ["product", "thousand"], ["share"]),
        node("Unsqueeze", ["share", "axis_2"], ["probabilities"]),
    ]
    graph = make_graph(
        "ranker",
        nodes,
        [
            value("hour", TensorProto.FLOAT, ["batch"]),
            value("margin", TensorProto.FLOAT, ["batch", "candidates"]),
        ],
        [value("probabilities", TensorProto.FLOAT, ["batch", "candidates", 1])],
        {
            "axis_1": np.array([1], np.int64),
            "axis_2": np.array([2], np.int64),
            "thousand": np.array(1000, np.float32),
        },
    )
    draft.add_graph("ranker", lambda file: file.write_bytes(graph))
    features = graph_entry("probabilities", hour="context.hour", margin="candidate.numeric:margin")
    features.max_history = 0
    entry.ranker.graph.CopyFrom(features)
    entry.ranker.heads.append(manifest.RankerHead(name="click", weight=2.0))
    return entry


def test_a_ranker_is_told_the_circumstances_of_each_request(tmp_path: Path) -> None:
    package = write(tmp_path / "package", hourly)
    pipeline = Pipeline(package, None)

    def request(*features: ContextFeature) -> RecommendRequest:
        return RecommendRequest(history=HISTORY, k=5, context=Context(features=features))

    outcomes: list[Any] = pipeline.run(
        [
            Task(request(ContextFeature(name="hour", number=10), ContextFeature(name="unknown", text="ignored"))),
            Task(request()),
            Task(request(ContextFeature(name="hour", text="noon"))),
        ]
    )
    pipeline.close()
    rows = package.catalog.rows([item.item_id for item in outcomes[0].items])
    margins = package.catalog.numeric("margin")[rows]
    assert [item.score for item in outcomes[0].items] == pytest.approx((2.0 * 10 * margins / 1000).tolist())
    assert margins.tolist() == sorted(margins, reverse=True)
    assert [item.score for item in outcomes[1].items] == [0.0] * 5
    assert isinstance(outcomes[2], InvalidRequestError)


def changing(draft: Draft, world: SmallWorld) -> manifest.Manifest:
    """A ranker that answers one head, but none at all when context.hour is above 0."""
    entry = neighbours(draft, world)
    node, value = helper.make_node, helper.make_tensor_value_info
    nodes = [
        node("Unsqueeze", ["margin", "axis_2"], ["one_head"]),
        node("Min", ["hour", "one"], ["at_most_one"]),
        node("Sub", ["one", "at_most_one"], ["left"]),
        node("Cast", ["left"], ["num_heads"], to=TensorProto.INT64),
        node("Slice", ["one_head", "start", "num_heads", "axis_2"], ["probabilities"]),
    ]
    graph = make_graph(
        "ranker",
        nodes,
        [value("hour", TensorProto.FLOAT, ["batch"]), value("margin", TensorProto.FLOAT, ["batch", "candidates"])],
        [value("probabilities", TensorProto.FLOAT, ["batch", "candidates", "heads"])],
        {"axis_2": np.array([2], np.int64), "start": np.array([0], np.int64), "one": np.array([1], np.float32)},
    )
    draft.add_graph("ranker", lambda file: file.write_bytes(graph))
    features = graph_entry("probabilities", hour="context.hour", margin="candidate.numeric:margin")
    features.max_history = 0
    entry.ranker.graph.CopyFrom(features)
    entry.ranker.heads.append(manifest.RankerHead(name="click", weight=2.0))
    return entry


def test_a_ranker_whose_output_changes_shape_is_left_out_of_that_reply_alone(tmp_path: Path) -> None:
    pipeline = Pipeline(write(tmp_path / "package", changing), None)

    def request(hour: float) -> Task[Any]:
        context = Context(features=[ContextFeature(name="hour", number=hour)])
        return Task(RecommendRequest(history=HISTORY, k=5, context=context))

    sound, broken = pipeline.run([request(0.0), request(10.0)])
    pipeline.close()
    assert isinstance(sound, RecommendResponse)
    assert isinstance(broken, RecommendResponse)
    assert noted(sound) == []
    assert noted(broken) == [(STAGE_SCORE, "ranker", DEGRADATION_REASON_FAILED)]
    assert len(broken.items) == 5
