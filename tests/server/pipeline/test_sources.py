"""Each kind of source answers what its definition in the manifest says, compared with NumPy; and no other module asks
what kind a source is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import shortlist_server
from shortlist.package import Draft, PackageError
from shortlist.package.manifest import kind_names
from shortlist.v1 import manifest_pb2 as manifest
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.pipeline.sources import Source
from shortlist_server.pipeline.sources.kinds import KINDS
from shortlist_server.pipeline.types import Allowed, Profiles
from tests.server.conftest import (
    NUM_ITEMS,
    Floats,
    SmallWorld,
    golden_message,
    graph_entry,
    make_graph,
    small_manifest,
    space_entry,
    sparse,
    vector_index,
)

K = 12
TIMES = np.array([[0, 0, 100, 86_400, 3 * 86_400], [0, 0, 0, 0, 0], [0, 10, 20, 30, 40]])
ROWS = np.array([[-1, -1, 4, 9, 17], [-1, -1, -1, -1, -1], [1, 2, 3, 59, 7]])
WEIGHTS = manifest.HistoryWeights(max_items=3, decay_per_step=0.5, half_life_days=2.0, normalise=True)


def profiles() -> Profiles:
    return Profiles(
        history_rows_BL=ROWS,
        history_times_BL=TIMES,
        history_types_BL=np.where(ROWS < 0, 0, 1).astype(np.uint8),
        history_values_BL=np.zeros(ROWS.shape, np.float32),
        seen_rows=tuple(np.sort(rows[rows >= 0]) for rows in ROWS),
        seen_types=tuple(np.ones(int((rows >= 0).sum()), np.uint8) for rows in ROWS),
        num_unknown_B=np.zeros(3, np.int64),
    )


def allowed(world: SmallWorld) -> Allowed:
    """Two rules: available items for the first and third request, every item for the second; seen ones are excluded."""
    return Allowed(masks=(world.available_N, None), mask_B=np.array([0, 1, 0]), excluded_rows=profiles().seen_rows)


def weights_of(user: int) -> dict[int, float]:
    """The weight of each history item by its row, by the words of HistoryWeights."""
    kept = [(int(row), int(time)) for row, time in zip(ROWS[user], TIMES[user], strict=True) if row >= 0][-3:]
    raw = {
        row: 0.5 ** (len(kept) - 1 - place) * 2 ** (-((kept[-1][1] - time) / 86_400) / 2.0)
        for place, (row, time) in enumerate(kept)
    }
    return {row: weight / sum(raw.values()) for row, weight in raw.items()}


def scorer() -> bytes:
    """Score = price of the candidate, negated."""
    value = helper.make_tensor_value_info
    return make_graph(
        "scorer",
        [helper.make_node("Neg", ["price"], ["score"])],
        [value("price", TensorProto.FLOAT, ["batch", "candidates"])],
        [value("score", TensorProto.FLOAT, ["batch", "candidates"])],
        {},
    )


def interactions() -> Floats:
    random = np.random.default_rng(5)
    taken = random.random((25, NUM_ITEMS)) * (random.random((25, NUM_ITEMS)) < 0.2)
    lengths = np.linalg.norm(taken, axis=1, keepdims=True)
    return np.asarray((taken / np.where(lengths > 0, lengths, 1.0)).astype(np.float32).astype(np.float64))


def add(draft: Draft, world: SmallWorld) -> manifest.Manifest:
    """Two sources of two kinds each, and one of every other."""
    taken = interactions()
    draft.add_vectors("space", vector_index(world.vectors_ND).save)
    for name in ("scores", "more_scores"):
        draft.add_scores(name, world.popularity_N if name == "scores" else -np.arange(NUM_ITEMS))
    draft.add_matrix("matrix", sparse(world.similarity_NN))
    draft.add_interactions("users", sparse(taken), sparse(taken.T))
    draft.add_graph("scorer", lambda file: file.write_bytes(scorer()))
    nothing: dict[str, Any] = {"item_ids": [], "scores": []}
    draft.add_golden(golden_message([{"history": [], "k": 1, "sources": {}, "fused": nothing, "ranked": nothing}]))
    mean = manifest.UserVector(space="space", mean=WEIGHTS)
    graph = graph_entry("score", price="candidate.numeric:price")
    kinds: dict[str, dict[str, Any]] = {
        "scores": {"item_scores": manifest.ItemScores()},
        "more_scores": {"item_scores": manifest.ItemScores()},
        "matrix": {"item_matrix": manifest.ItemMatrix(history=WEIGHTS)},
        "vector": {"user_vector": mean},
        "more_vector": {"user_vector": manifest.UserVector(space="space", mean=manifest.HistoryWeights(max_items=1))},
        "users": {"user_neighbours": manifest.UserNeighbours(history=WEIGHTS, num_neighbours=4)},
        "scorer": {"candidate_scorer": manifest.CandidateScorer(graph=graph)},
    }
    entry = small_manifest(
        world.add_items(draft), [manifest.Source(name=name, weight=1.0, **kind) for name, kind in kinds.items()]
    )
    entry.spaces.append(space_entry("space"))
    return entry


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld()


@pytest.fixture(scope="module")
def every_kind(world: SmallWorld, tmp_path_factory: pytest.TempPathFactory) -> Package:
    root = tmp_path_factory.mktemp("kinds") / "package"
    with Draft(root) as draft:
        draft.publish(add(draft, world))
    return open_package(root)


def source(package: Package, name: str) -> Source:
    return next(one for one in package.sources if one.name == name)


def expected_scores(name: str, user: int, world: SmallWorld) -> Floats:
    """Every item's score for a user with a history, in float64."""
    weights = weights_of(user)
    if name == "scores":
        return world.popularity_N
    if name == "more_scores":
        return -np.arange(float(NUM_ITEMS))
    if name == "matrix":
        return weighted(world.similarity_NN, weights)
    vectors = world.vectors_ND.astype(np.float64)
    if name == "vector":
        return np.asarray(vectors @ weighted(vectors, weights))
    if name == "more_vector":
        return np.asarray(vectors @ vectors[next(reversed(weights))])
    similarity_U = weighted(interactions().T, weights)
    nearest = np.argsort(-similarity_U, kind="stable")[:4]
    nearest = nearest[similarity_U[nearest] > 0]
    return np.asarray(similarity_U[nearest] @ interactions()[nearest])


def weighted(rows: Floats, weights: dict[int, float]) -> Floats:
    """The sum of rows by their weights."""
    return np.asarray(sum((weight * rows[row] for row, weight in weights.items()), np.zeros(rows.shape[1])))


RETRIEVING = ("scores", "more_scores", "matrix", "vector", "more_vector", "users")


@pytest.mark.parametrize("name", RETRIEVING)
@pytest.mark.parametrize("user", [0, 2])
def test_a_source_lists_the_best_allowed_items(every_kind: Package, world: SmallWorld, name: str, user: int) -> None:
    query = source(every_kind, name).query(profiles(), [{}] * 3)
    scores_BC, rows_BC = query.retrieve(allowed(world), K)
    expected = expected_scores(name, user, world)
    may = world.available_N.copy()
    may[profiles().seen_rows[user]] = False
    if name in ("matrix", "users"):
        may &= expected > 0
    best = [row for row in np.lexsort((np.arange(NUM_ITEMS), -expected.astype(np.float32))) if may[row]][:K]
    assert rows_BC[user, : len(best)].tolist() == best
    assert (rows_BC[user, len(best) :] == -1).all()
    np.testing.assert_allclose(scores_BC[user, : len(best)], expected[best], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RETRIEVING)
def test_the_score_of_given_items_is_that_of_the_list(every_kind: Package, world: SmallWorld, name: str) -> None:
    query = source(every_kind, name).query(profiles(), [{}] * 3)
    scores_BC, rows_BC = query.retrieve(allowed(world), K)
    listed = rows_BC != -1
    assert query.score(rows_BC)[listed].tobytes() == scores_BC[listed].tobytes()
    assert (query.score(rows_BC)[~listed] == 0).all()


@pytest.mark.parametrize("name", RETRIEVING)
def test_an_answer_does_not_depend_on_the_batch(every_kind: Package, world: SmallWorld, name: str) -> None:
    together = source(every_kind, name).query(profiles(), [{}] * 3).retrieve(allowed(world), K)
    for user in range(3):
        one = np.array([user])
        alone = source(every_kind, name).query(profiles().take(one), [{}]).retrieve(allowed(world).take(one), K)
        assert alone.rows_BC.tobytes() == together.rows_BC[one].tobytes()
        assert alone.scores_BC.tobytes() == together.scores_BC[one].tobytes()


@pytest.mark.parametrize("name", ["matrix", "vector", "more_vector", "users"])
def test_contributions_sum_to_the_score(every_kind: Package, world: SmallWorld, name: str) -> None:
    one = source(every_kind, name)
    for user in (0, 2):
        _, rows_BC = one.query(profiles(), [{}] * 3).retrieve(allowed(world), K)
        rows = rows_BC[user][rows_BC[user] != -1]
        parts_KL = one.contributions(profiles().take(np.array([user])), rows)
        assert parts_KL is not None
        assert parts_KL.shape == (len(rows), int((ROWS[user] >= 0).sum()))
        np.testing.assert_allclose(parts_KL.sum(axis=1), expected_scores(name, user, world)[rows], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", RETRIEVING)
def test_a_user_without_history_is_answered_only_by_what_needs_none(
    every_kind: Package, world: SmallWorld, name: str
) -> None:
    one = source(every_kind, name)
    _, rows_BC = one.query(profiles(), [{}] * 3).retrieve(allowed(world), K)
    assert (rows_BC[1] != -1).any() == (not one.needs_history)


def test_a_scorer_retrieves_nothing_and_scores_what_others_found(every_kind: Package, world: SmallWorld) -> None:
    one = source(every_kind, "scorer")
    assert not one.retrieves
    query = one.query(profiles(), [{}] * 3)
    assert (query.retrieve(allowed(world), K).rows_BC == -1).all()
    rows_BC = np.array([[1, 2, -1], [1, 2, 5], [3, 40, 41]])
    scores_BC = query.score(rows_BC)
    assert scores_BC.tolist() == [[-1.25, -1.5, 0.0], [0.0, 0.0, 0.0], [0.0, -11.0, -11.25]]


def test_likeness_is_that_of_the_matrix_or_the_cosine_and_scores_know_none(every_kind: Package) -> None:
    mask = np.ones(NUM_ITEMS, np.bool_)
    mask[3] = False
    for name in ("matrix", "vector"):
        found = source(every_kind, name).similar(3, mask, 5)
        assert found is not None
        assert 3 not in found[1]
    for name in ("scores", "users", "scorer"):
        assert source(every_kind, name).similar(3, mask, 5) is None


def test_the_registry_has_exactly_the_kinds_of_the_contract() -> None:
    assert list(KINDS) == kind_names()


def test_no_module_outside_the_sources_asks_what_kind_a_source_is() -> None:
    root = Path(shortlist_server.__file__).parent
    asking = re.compile(r"WhichOneof\(.kind.\)|" + "|".join(rf"\b{name}\b" for name in KINDS))
    classes = re.compile("|".join(rf"\b{kind.__name__}\b" for kind in KINDS.values()))
    for file in root.rglob("*.py"):
        if (root / "pipeline/sources") not in file.parents:
            text = file.read_text("utf-8")
            assert not asking.search(text), file
            assert not classes.search(text), file


BAD: dict[str, tuple[Callable[[Draft, manifest.Manifest], object], str]] = {
    "interactions of rows that are longer than 1": (
        lambda draft, entry: draft.add_interactions("users", sparse(2 * interactions()), sparse(interactions().T)),
        r"interactions/users/data\.npy: entry \[\d+\]: 1\.\d+ is not within \+-1\.00001",
    ),
    "interactions by item without an end": (
        lambda draft, entry: draft.add_interactions("users", sparse(interactions()), sparse(1e29 * interactions().T)),
        r"interactions/users/by_item/data\.npy: entry \[0\]: .* is not within \+-1\.00001",
    ),
    "interactions that do not match": (
        lambda draft, entry: draft.add_interactions("users", sparse(interactions()), sparse(interactions()[:20].T)),
        "interactions/users/by_item: holds ",
    ),
    "a scorer that asks for the scores of sources": (
        lambda draft, entry: (
            entry.sources[6]
            .candidate_scorer.graph.inputs[0]
            .MergeFrom(manifest.GraphInput(feature="candidate.retrieval_scores"))
        ),
        r"sources\[6\]\.candidate_scorer\.graph\.inputs: 'candidate\.retrieval_scores' is what its scores",
    ),
    "no neighbours": (
        lambda draft, entry: setattr(entry.sources[5].user_neighbours, "num_neighbours", 0),
        r"sources\[5\]\.user_neighbours\.num_neighbours: 0 is not in 1\.\.10000",
    ),
    "a vector without an origin": (
        lambda draft, entry: entry.sources[3].user_vector.ClearField("mean"),
        r"sources\[3\]\.user_vector: neither a graph nor a mean",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_an_entry_that_its_kind_cannot_be_built_from_is_refused(tmp_path: Path, world: SmallWorld, fault: str) -> None:
    change, expected = BAD[fault]
    with Draft(tmp_path / "package") as draft:
        entry = add(draft, world)
        change(draft, entry)
        draft.publish(entry)
    with pytest.raises(PackageError, match=expected):
        open_package(tmp_path / "package")
