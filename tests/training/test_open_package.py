"""A package on disk as the offline funnel: every kind by its name in the manifest, metric, fusion, fallback, ranker."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shortlist.package import Draft, PackageError
from shortlist.package.arrays import Sparse
from shortlist.package.layout import RANKER
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.recommendation_pb2 import FUSION_METHOD_ROUND_ROBIN, NORMALISATION_Z_SCORE, Fusion
from shortlist_kernels import VectorIndex
from shortlist_training.data.queries import Queries, queries_of
from shortlist_training.golden import golden_requests
from shortlist_training.open_package import Package, open_draft, open_funnel, open_package
from tests.training.data_sets import dataset_of

IDS = ["a", "b", "c", "d", "e"]
HISTORY = manifest.HistoryWeights(max_items=9)
VECTORS = np.array([[1, 0], [0, 2], [3, 3], [0, 0], [-1, 1]], dtype=np.float32)
DATASET = dataset_of([("u", "a", 1), ("u", "b", 2), ("v", "b", 2), ("w", "e", 9)])


def sparse(dense: list[list[float]]) -> Sparse:
    array = np.array(dense, dtype=np.float32)
    indptr = np.cumsum([0, *(array != 0).sum(axis=1)])
    return Sparse(indptr, np.nonzero(array)[1].astype(np.int32), array[array != 0])


def write_sum(file: Path, shape: list[str | int], axis: int, *, keep: bool = False) -> None:
    """A graph whose output "out" is the sum of its input "in" over an axis, which stays with length 1 or goes."""
    left = [1] if keep else []
    given = helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [axis])
    node = helper.make_node("ReduceSum", ["in", "axes"], ["out"], keepdims=int(keep))
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [*shape[:axis], *left, *shape[axis + 1 :]])
    graph = helper.make_graph([node], "sum", [given], [output], [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file)


def graph_of(feature: str, max_history: int = 0) -> manifest.Graph:
    entry = manifest.GraphInput(name="in", feature=feature)
    return manifest.Graph(inputs=[entry], output="out", max_history=max_history)


def write_package(directory: Path) -> Package:
    """Five items and seven sources: two of one kind, a mean of vectors beside a graph, a scorer, and a ranker."""
    index = VectorIndex(2, "cosine")
    index.add(np.arange(5), VECTORS)
    vector = manifest.UserVector(space="items", graph=graph_of("history.vectors:items", 2))
    sources = [
        manifest.Source(name="first", weight=1, item_scores=manifest.ItemScores()),
        manifest.Source(name="second", weight=1, item_scores=manifest.ItemScores()),
        manifest.Source(name="matrix", weight=1, item_matrix=manifest.ItemMatrix(history=HISTORY)),
        manifest.Source(name="mean", weight=1, user_vector=manifest.UserVector(space="items", mean=HISTORY)),
        manifest.Source(name="graph", weight=1, user_vector=vector),
        manifest.Source(
            name="alike", weight=1, user_neighbours=manifest.UserNeighbours(history=HISTORY, num_neighbours=2)
        ),
        manifest.Source(
            name="scorer", candidate_scorer=manifest.CandidateScorer(graph=graph_of("candidate.vectors:items"))
        ),
    ]
    with Draft(directory) as draft:
        draft.add_scores("first", np.array([5, 4, 3, 2, 1]))
        draft.add_scores("second", np.array([1, 2, 3, 4, 5]))
        draft.add_matrix("matrix", sparse([[0, 0, 1, 0, 0], [0, 0, 0, 2, 0], [0] * 5, [0] * 5, [0] * 5]))
        draft.add_interactions("alike", sparse([[1, 0, 0, 0, 1]]), sparse([[1], [0], [0], [0], [1]]))
        draft.add_vectors("items", index.save)
        draft.add_graph("graph", lambda file: write_sum(file, ["b", 2, 2], 1))
        draft.add_graph("scorer", lambda file: write_sum(file, ["b", "c", 2], 2))
        draft.add_graph(RANKER, lambda file: write_sum(file, ["b", "c", 7], 2, keep=True))
        items = draft.add_items(IDS, available_N=np.array([1, 1, 1, 1, 1], np.bool_), numeric={"size": np.arange(5.0)})
        entry = manifest.Manifest(
            name="shop",
            id="shop-1",
            data=manifest.TrainingData(train_until=100),
            training=manifest.Training(),
            items=items,
            spaces=[manifest.Space(name="items", metric="METRIC_COSINE", dimensions=2)],
            sources=sources,
            fusion=Fusion(method=FUSION_METHOD_ROUND_ROBIN, normalisation=NORMALISATION_Z_SCORE),
            num_candidates=4,
            fallback_source="second",
        )
        draft.add_golden(golden_requests(open_draft(draft.path, entry), DATASET))
        draft.publish(entry)
    return open_package(directory)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return write_package(tmp_path / "package")


def rows_by_name(package: Package, queries: Queries) -> dict[str, list[list[int]]]:
    lists = open_funnel(package).retrieve(queries)
    return {name: [[r for r in rows if r >= 0] for rows in found[1].tolist()] for name, found in lists.items()}


def test_every_kind_answers_under_its_own_name(package: Package) -> None:
    dataset = dataset_of([("u", "a", 1), ("u", "b", 2), ("v", "b", 2), *((f"x{n}", IDS[n], 50) for n in range(5))])
    queries = queries_of(dataset.before(5), np.arange(3))
    assert rows_by_name(package, queries) == {
        "first": [[2, 3, 4], [0, 2, 3, 4], [0, 1, 2, 3]],
        "second": [[4, 3, 2], [4, 3, 2, 0], [4, 3, 2, 1]],
        "matrix": [[3, 2], [3], []],
        "mean": [[2, 4, 3], [2, 4, 0, 3], []],
        "graph": [[2, 4, 3], [2, 4, 0, 3], []],
        "alike": [[4], [], []],
        "scorer": [[], [], []],
    }
    scores = open_funnel(package).sources["scorer"].score(queries)
    assert scores.tolist() == [VECTORS.sum(axis=1).tolist()] * 2 + [[0] * 5]


def test_fusion_number_of_candidates_and_fallback_are_those_of_the_manifest(package: Package) -> None:
    funnel = open_funnel(package)
    assert (funnel.method, funnel.norm, funnel.fallback, funnel.num_candidates) == (
        "round_robin",
        "zscore",
        "second",
        4,
    )
    assert funnel.rank is None
    assert package.item_ids.take(range(5)) == IDS


def test_the_ranker_values_candidates_by_its_heads_and_leaves_strangers_alone(package: Package) -> None:
    package.manifest.ranker.graph.CopyFrom(graph_of("candidate.retrieval_scores"))
    package.manifest.ranker.heads.add(name="purchase", weight=-2.0)
    funnel, queries = open_funnel(package), queries_of(DATASET, np.array([0, 1, 2]))
    fused = funnel.fuse(funnel.retrieve(queries))
    values, rows = funnel.order(queries, fused)
    expected = -2.0 * funnel.scores(queries, rows).sum(axis=2)
    assert values[rows >= 0] == pytest.approx(expected[rows >= 0])
    nobody = queries_of(DATASET.before(0), np.array([0]))
    fused = funnel.fuse(funnel.retrieve(nobody))
    assert funnel.order(nobody, fused)[1].tolist() == fused[1].tolist()


def test_the_value_of_a_candidate_is_the_weighted_sum_over_the_heads(package: Package) -> None:
    """A graph of two heads, which see the first and the second source."""
    shape = ["batch", "candidates"]
    weights = numpy_helper.from_array(np.eye(7, 2, dtype=np.float32), "weights")
    given = helper.make_tensor_value_info("in", TensorProto.FLOAT, [*shape, 7])
    found = helper.make_tensor_value_info("out", TensorProto.FLOAT, [*shape, 2])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["in", "weights"], ["out"])], "heads", [given], [found], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, package.path / "models/ranker/model.onnx")
    heads = [manifest.RankerHead(name="view", weight=2), manifest.RankerHead(name="purchase", weight=-0.5)]
    scores = manifest.GraphInput(name="in", feature="candidate.retrieval_scores")
    package.manifest.ranker.CopyFrom(manifest.Ranker(graph=manifest.Graph(inputs=[scores], output="out"), heads=heads))
    funnel, queries = open_funnel(package), queries_of(DATASET.before(5), np.arange(3))
    assert funnel.rank is not None
    rows_BC = np.array([[2, 4], [0, 3], [1, 4]])
    values_BC = funnel.rank(queries, rows_BC, funnel.scores(queries, rows_BC))
    assert values_BC.tolist() == [
        [2 * 3 - 0.5 * 3, 2 * 1 - 0.5 * 5],
        [2 * 5 - 0.5 * 1, 2 * 2 - 0.5 * 4],
        [2 * 4 - 0.5 * 2, 2 * 1 - 0.5 * 5],
    ]


def test_golden_requests_cover_every_source_that_retrieves(package: Package) -> None:
    golden = golden_requests(package, DATASET)
    assert [len(request.history) for request in golden.requests][:2] == [0, 1]
    for request in golden.requests:
        assert [one.name for one in request.sources] == ["first", "second", "matrix", "mean", "graph", "alike"]
        assert request.ranked == request.fused, "there is no ranker"


def test_a_changed_or_missing_file_is_named(package: Package) -> None:
    file = package.path / "scores/first.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(PackageError, match=r"scores/first\.npy: sha256 is"):
        open_package(package.path)
    file.unlink()
    with pytest.raises(PackageError, match=r"scores/first\.npy"):
        open_package(package.path)


def test_vectors_of_another_metric_than_the_manifest_says_are_refused(package: Package) -> None:
    package.manifest.spaces[0].metric = manifest.METRIC_EUCLIDEAN
    with pytest.raises(PackageError, match=r"vectors/items\.index: holds 5 vectors of 2 dimensions by cosine"):
        open_funnel(package)
