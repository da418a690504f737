"""Kinds of sources, features, fusion and order by hand; the weights of any number of sources; the gates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.v1.manifest_pb2 import Graph, GraphInput, HistoryWeights
from shortlist_kernels import Csr, VectorIndex
from shortlist_training.data.histories import Histories, Lists
from shortlist_training.data.queries import Queries, Task
from shortlist_training.errors import GateError
from shortlist_training.funnel import Funnel, order_by
from shortlist_training.fusion import FALLBACK_SHARE, Fusable, choose_weights
from shortlist_training.gates import check_calibration, check_not_worse
from shortlist_training.sources.features import Candidates, ItemTables, build_features
from shortlist_training.sources.graphs import GraphModel
from shortlist_training.sources.kinds import (
    CandidateScorer,
    ItemMatrix,
    ItemScores,
    Kind,
    Retrieved,
    UserNeighbours,
    UserVector,
    mean_vectors,
)

DAY = 86_400
EVERYTHING = np.ones(5, dtype=np.bool_)
NOTHING = -np.inf


def queries_of(histories: list[list[int]], seen: list[list[int]] | None = None) -> Queries:
    """Histories from rows, oldest first, a day apart; what is in them is seen, unless said otherwise."""
    lists = [
        Lists(np.cumsum([0, *map(len, rows)]), np.array([row for one in rows for row in one], dtype=np.int32))
        for rows in (histories, histories if seen is None else seen)
    ]
    count = len(lists[0].rows)
    times = np.array([place * DAY for rows in histories for place in range(len(rows))], dtype=np.int64)
    types, values = np.full(count, 4, np.uint8), np.full(count, np.nan, np.float32)
    past = Histories(lists[0].indptr, lists[0].rows, times, types, values)
    return Queries(past, lists[1], np.zeros(len(histories), np.int64))


def matrix(entries: dict[tuple[int, int], float], shape: tuple[int, int]) -> Csr:
    dense = np.zeros(shape, np.float32)
    for place, value in entries.items():
        dense[place] = value
    indptr = np.cumsum([0, *(dense != 0).sum(axis=1)])
    return Csr(indptr, np.nonzero(dense)[1].astype(np.int32), dense[dense != 0], shape)


def index(vectors: list[list[float]], metric: str = "inner_product") -> VectorIndex:
    found = VectorIndex(len(vectors[0]), metric)
    found.add(np.arange(len(vectors)), np.array(vectors, dtype=np.float32))
    return found


def listed(found: Retrieved) -> list[list[tuple[int, float]]]:
    """(row, score) of every place that holds an item."""
    scores_BK, rows_BK = found
    return [
        [(row, score) for row, score in zip(rows, scores, strict=True) if row >= 0]
        for rows, scores in zip(rows_BK.tolist(), scores_BK.tolist(), strict=True)
    ]


def test_item_scores_skips_what_was_seen_or_may_not_be_offered_and_breaks_ties_by_row() -> None:
    source = ItemScores(np.array([1, 5, 1, 3, 0], dtype=np.float32))
    queries = queries_of([[], [1]])
    found = source.retrieve(queries, 4, np.array([True, True, True, False, True]))
    assert listed(found) == [[(1, 5), (0, 1), (2, 1), (4, 0)], [(0, 1), (2, 1), (4, 0)]]
    assert found[0][1].tolist() == [1, 1, 0, NOTHING]
    assert source.score(queries, np.array([[3, -1], [0, 1]])).tolist() == [[3, 0], [1, 5]]
    assert source.score(queries).tolist() == [[1, 5, 1, 3, 0]] * 2


def test_item_matrix_sums_over_the_weighted_history_and_lists_no_zero() -> None:
    weights = HistoryWeights(max_items=2, decay_per_step=0.5)
    source = ItemMatrix(matrix({(0, 3): 1, (1, 4): 1, (2, 3): 8}, (5, 5)), weights)
    queries = queries_of([[2, 0, 1], [1, 0], []])
    assert listed(source.retrieve(queries, 3, EVERYTHING)) == [[(4, 1), (3, 0.5)], [(3, 1), (4, 0.5)], []]
    assert source.score(queries)[:, 3:].tolist() == [[0.5, 1], [1, 0.5], [0, 0]]


def test_user_vector_finds_the_nearest_by_the_metric_of_its_space() -> None:
    vectors = [[1, 0], [0, 1], [3, 3], [0, 0], [-1, 0]]
    weights = HistoryWeights(max_items=5)
    for metric, best in (("inner_product", 2), ("cosine", 2), ("euclidean", 1)):
        space = index([[float(value) for value in vector] for vector in vectors], metric)
        source = UserVector(space, mean_vectors(space, weights))
        queries = queries_of([[0, 1], []], [[0], []])
        found = listed(source.retrieve(queries, 4, EVERYTHING))
        assert found[0][0][0] == best, metric
        assert found[1] == [], "nothing is known of this user"
        assert (source.score(queries)[1] == 0).all()


def test_user_neighbours_lists_what_the_nearest_users_took() -> None:
    by_user = matrix({(0, 0): 1, (0, 3): 0.5, (1, 1): 1, (1, 4): 2, (2, 0): 0.1, (2, 2): 1}, (3, 5))
    by_item = matrix({(0, 0): 1, (3, 0): 0.5, (1, 1): 1, (4, 1): 2, (0, 2): 0.1, (2, 2): 1}, (5, 3))
    queries = queries_of([[0], [0, 1], []])
    one = UserNeighbours(by_user, by_item, HistoryWeights(max_items=9), 1)
    assert listed(one.retrieve(queries, 5, EVERYTHING)) == [[(3, 0.5)], [(3, 0.5)], []]
    two = UserNeighbours(by_user, by_item, HistoryWeights(max_items=9, decay_per_step=0.5), 2)
    assert listed(two.retrieve(queries, 5, EVERYTHING))[1] == [(4, 2), (3, 0.25)]
    assert two.score(queries)[1].tolist() == [0.5, 1, 0, 0.25, 2]


def test_a_candidate_scorer_retrieves_nothing_and_scores_users_of_whom_something_is_known() -> None:
    graph = Graph(inputs=[GraphInput(name="rows", feature="candidate.items")], output="score")
    source = CandidateScorer(GraphModel(graph, lambda inputs: inputs["rows"].astype(np.float32), ItemTables()), 5)
    queries = queries_of([[0], []])
    assert listed(source.retrieve(queries, 3, EVERYTHING)) == [[], []]
    assert source.score(queries, np.array([[2, -1], [2, 3]])).tolist() == [[3, 0], [0, 0]]
    assert source.score(queries)[0].tolist() == [1, 2, 3, 4, 5]


def test_features_are_left_padded_and_cut_to_the_history_of_the_graph() -> None:
    queries = queries_of([[0, 1, 3], [4], []])
    spaces = {"space": index([[float(row), 1.0] for row in range(5)])}
    tables = ItemTables(spaces, {"price": np.array([1, np.nan, 3, 4, 5])})
    candidates = Candidates(np.array([[0, 1], [4, -1], [2, 2]]), np.ones((3, 2, 1), np.float32))
    names = {
        "history.items": [[1 + 1, 3 + 1], [0, 4 + 1], [0, 0]],
        "history.types": [[4, 4], [0, 4], [0, 0]],
        "history.values": [[0, 0], [0, 0], [0, 0]],
        "history.recency_days": [[1, 0], [0, 0], [0, 0]],
        "history.vectors:space": [[[1, 1], [3, 1]], [[0, 0], [4, 1]], [[0, 0], [0, 0]]],
        "candidate.items": [[1, 2], [5, 0], [3, 3]],
        "candidate.vectors:space": [[[0, 1], [1, 1]], [[4, 1], [0, 0]], [[2, 1], [2, 1]]],
        "candidate.numeric:price": [[1, 0], [5, 0], [3, 3]],
        "candidate.retrieval_scores": [[[1], [1]]] * 3,
        "context.hour": [0, 0, 0],
    }
    graph = Graph(inputs=[GraphInput(name=name, feature=name) for name in names], max_history=2)
    found = build_features(graph, queries, tables, candidates)
    assert {name: array.tolist() for name, array in found.items()} == names
    integers = {"history.items", "history.types", "candidate.items"}
    assert {name for name, array in found.items() if array.dtype == np.int64} == integers
    assert {array.dtype.name for name, array in found.items() if name not in integers} == {"float32"}


def test_candidates_are_ordered_by_value_then_row_with_padding_last() -> None:
    values, rows = order_by(np.array([[1.0, 1.0, 2.0, 9.0]]), np.array([[4, 1, 8, -1]]))
    assert rows.tolist() == [[8, 1, 4, -1]]
    assert values.tolist() == [[2, 1, 1, NOTHING]]


def funnel_of(sources: dict[str, Kind], **changes: object) -> Funnel:
    fields = {"weights": [1.0] * len(sources), "num_candidates": 5, "allowed_N": EVERYTHING, **changes}
    return Funnel(sources=sources, **fields)  # type: ignore[arg-type]


def test_short_lists_are_filled_from_the_fallback_source_each_worth_less() -> None:
    sources: dict[str, Kind] = {
        "near": ItemMatrix(matrix({(0, 3): 1}, (5, 5)), HistoryWeights(max_items=1)),
        "all": ItemScores(np.array([1, 2, 3, 4, 5], dtype=np.float32)),
    }
    queries = queries_of([[0], []])
    only_near = funnel_of(sources, weights=[1.0, 0.0], fallback="all")
    scores, rows = only_near.fill(queries, only_near.fuse(only_near.retrieve(queries)), 3)
    assert rows[:, :3].tolist() == [[3, 4, 2], [4, 3, 2]]
    assert scores[:, :3] == pytest.approx(np.array([[1, 0.75, 0.5], [-0.25, -0.5, -0.75]]))
    without = funnel_of(sources, weights=[1.0, 0.0])
    _, rows = without.fill(queries, without.fuse(without.retrieve(queries)), 3)
    assert rows[:, :3].tolist() == [[3, 1, 2], [0, 1, 2]], "in the order of the catalogue"


def test_a_user_without_history_keeps_the_order_of_the_fusion() -> None:
    source = ItemScores(np.array([1, 2, 3, 4, 5], dtype=np.float32))
    funnel = funnel_of({"all": source}, rank=lambda queries, rows_BC, scores_BCS: -rows_BC.astype(np.float32))
    queries = queries_of([[0], []])
    _, rows = funnel.order(queries, funnel.fuse(funnel.retrieve(queries)))
    assert rows.tolist() == [[1, 2, 3, 4, -1], [4, 3, 2, 1, 0]]


def fusable(scores: dict[str, list[float]], targets: list[list[int]], fallback: str = "") -> Fusable:
    sources: dict[str, Kind] = {name: ItemScores(np.array(one, dtype=np.float32)) for name, one in scores.items()}
    funnel = funnel_of(sources, fallback=fallback)
    queries = queries_of([[] for _ in targets])
    rows = Lists(np.cumsum([0, *map(len, targets)]), np.array([r for one in targets for r in one], dtype=np.int32))
    return Fusable(funnel, funnel.retrieve(queries), Task(queries, rows))


def test_the_better_source_gets_the_weight_and_the_fallback_keeps_a_little() -> None:
    scores = {"good": [5.0, 4, 3, 2, 1], "bad": [1.0, 2, 3, 4, 5], "noise": [3.0, 1, 4, 1, 5]}
    good, bad, noise = choose_weights([fusable(scores, [[0]] * 20, fallback="bad")], 1)
    assert good > max(bad, noise)
    assert bad >= FALLBACK_SHARE
    assert good + bad + noise == pytest.approx(1)


def test_two_sources_share_the_weight_and_the_one_that_finds_the_targets_has_more() -> None:
    scores = {"good": [5.0, 4, 3, 2, 1], "bad": [1.0, 2, 3, 4, 5]}
    good, bad = choose_weights([fusable(scores, [[0]] * 20)], 1)
    assert good > bad
    assert good + bad == pytest.approx(1)
    _, fallback = choose_weights([fusable(scores, [[0]] * 20, fallback="bad")], 1)
    assert fallback >= bad * (1 - FALLBACK_SHARE) + FALLBACK_SHARE


def test_a_source_that_retrieves_nothing_gets_no_weight() -> None:
    stage = fusable({"good": [5.0, 4, 3, 2, 1], "bad": [1.0, 2, 3, 4, 5]}, [[0]] * 20)
    scorer = CandidateScorer(GraphModel(Graph(), lambda inputs: inputs["never run"], ItemTables()), 5)
    good, bad = stage.funnel.sources.items()
    funnel = replace(stage.funnel, sources=dict([good, ("scorer", scorer), bad]), weights=[1.0] * 3)
    with_scorer = Fusable(funnel, funnel.retrieve(stage.task.queries), stage.task)
    first, of_scorer, last = choose_weights([with_scorer], 1)
    assert of_scorer == 0
    assert (first, last) == choose_weights([stage], 1)


def test_sources_that_do_not_differ_keep_even_weights_and_one_alone_has_all() -> None:
    same = {name: [5.0, 4, 3, 2, 1] for name in "abcd"}
    assert choose_weights([fusable(same, [[0]] * 20)], 1) == (0.25,) * 4
    assert choose_weights([fusable({"one": [5.0, 4, 3, 2, 1]}, [[1]] * 3, fallback="one")], 1) == (1.0,)


def test_weights_are_found_for_as_many_sources_as_a_package_may_have() -> None:
    generator = np.random.default_rng(0)
    scores = {f"source-{number}": generator.random(5).tolist() for number in range(64)}
    weights = choose_weights([fusable(scores, [[2]] * 3)], 1)
    assert len(weights) == 64
    assert sum(weights) == pytest.approx(1, abs=1e-4)


def lists_of(rows: list[int], num_users: int) -> Retrieved:
    scores = -np.arange(len(rows), dtype=np.float32)
    return np.tile(scores, (num_users, 1)), np.tile(np.array(rows), (num_users, 1))


def targets_of(rows: NDArray[np.int64]) -> Lists:
    return Lists(np.arange(len(rows) + 1), rows.astype(np.int32))


def test_the_gate_refuses_a_whole_that_is_worse_than_its_best_part_beyond_doubt() -> None:
    parts = {"good": lists_of([0, 1], 100), "bad": lists_of([1, 2], 100)}
    targets = targets_of(np.zeros(100, np.int64))
    check_not_worse(lists_of([0, 2], 100), parts, targets, 2, seed=0)
    with pytest.raises(GateError, match=r"not worse than the best part: NDCG@2 .* of good is -0\.3691"):
        check_not_worse(lists_of([1, 0], 100), parts, targets, 2, seed=0)
    mixed = targets_of(np.arange(100) % 2)
    check_not_worse(lists_of([1, 0], 100), {"good": lists_of([0, 1], 100)}, mixed, 2, seed=0)


@pytest.mark.parametrize("error", [0.11, math.nan, math.inf])
def test_the_gate_refuses_probabilities_that_mean_nothing(error: float) -> None:
    check_calibration(0.02)
    with pytest.raises(GateError, match="calibration"):
        check_calibration(error)
