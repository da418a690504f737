"""A small real model package for the tests of the server, and the knobs to break a copy of it.

The graphs are real ONNX, the neighbours real cosines, and golden.json is what the NumPy code below answers, which
shares nothing with the server. N items, D dimensions, L history positions, C candidates, S sources.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from shortlist.package import Draft, layout
from shortlist.package.arrays import Sparse, open_sparse
from shortlist.package.files import file_entry
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.recommendation_pb2 import FUSION_METHOD_WEIGHTED, Fusion
from shortlist_kernels import VectorIndex

Floats: TypeAlias = NDArray[np.float64]
EditManifest: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile: TypeAlias = Callable[[str, bytes], None]

NUM_ITEMS, DIM, MAX_HISTORY, NUM_CANDIDATES, NUM_NEIGHBOURS = 60, 8, 10, 20, 12
SOURCES, WEIGHTS = ("two_tower", "item_neighbours", "popular"), (0.5, 0.4, 0.1)
SPACE = "two_tower"
HEADS, HEAD_WEIGHTS = ("click", "purchase"), (0.25, 1.0)
DECAY = 0.9
START = 1_300_000_000


class SmallWorld:
    """The numbers behind the package: items, embeddings, neighbours, ranker weights; and its answers in NumPy."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.item_ids = [f"item-{row:03d}" for row in range(NUM_ITEMS)]
        vectors = random.standard_normal((NUM_ITEMS, DIM))
        self.vectors_ND = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        self.popularity_N = random.uniform(0.0, 1.0, NUM_ITEMS).round(4)
        self.available_N = np.arange(NUM_ITEMS) % 13 != 5
        self.similarity_NN = _top_cosines(random.poisson(0.4, (40, NUM_ITEMS)).astype(np.float64))
        self.score_weights_SH = random.uniform(0.2, 1.0, (3, 2)).astype(np.float32)
        self.biases_H = np.array([-0.5, -1.0], dtype=np.float32)

    def add_items(self, draft: Draft) -> manifest.Items:
        rows = np.arange(NUM_ITEMS)
        return draft.add_items(
            self.item_ids,
            titles=[f"Title of {item_id}" for item_id in self.item_ids],
            available_N=self.available_N,
            categories=[["all", f"c{row % 4}"] if row % 10 else [] for row in rows.tolist()],
            numeric={
                "price": np.where(rows % 17 == 3, np.nan, 1.0 + rows / 4),
                "popularity": self.popularity_N,
                "margin": (rows % 7).astype(np.float64),
            },
        )

    def answer(self, history: list[tuple[str, int]], k: int) -> dict[str, Any]:
        """The golden request for this history (item, timestamp), best k of every source, of the fusion, of all."""
        last = dict(history)
        rows = [self.item_ids.index(item_id) for item_id in sorted(last, key=lambda item_id: last[item_id])]
        allowed_N = self.available_N.copy()
        allowed_N[rows] = False
        scores_SN = self._source_scores(rows[-MAX_HISTORY:])
        fused_N = np.full(NUM_ITEMS, -np.inf)
        sources = {}
        for name, weight, scores_N in zip(SOURCES, WEIGHTS, scores_SN, strict=True):
            if not rows and name != "popular":
                continue
            found_N = allowed_N & (scores_N != 0) if name == "item_neighbours" else allowed_N
            retrieved = _best(np.where(found_N, scores_N, -np.inf), NUM_CANDIDATES)
            sources[name] = self._list(scores_N, retrieved[:k])
            low, high = scores_N[retrieved].min(), scores_N[retrieved].max()
            fused_N[retrieved] = np.maximum(fused_N[retrieved], 0) + weight * (scores_N[retrieved] - low) / (high - low)
        candidates = _best(fused_N, NUM_CANDIDATES)
        fused = self._list(fused_N, candidates[:k])
        ranked = self._rank(rows, last, scores_SN, candidates, k) if rows else fused
        events = [{"item_id": item_id, "timestamp": timestamp} for item_id, timestamp in history]
        return {"history": events, "k": k, "sources": sources, "fused": fused, "ranked": ranked}

    def _source_scores(self, rows: list[int]) -> Floats:
        scores_SN = np.zeros((3, NUM_ITEMS))
        scores_SN[2] = self.popularity_N
        if rows:
            user_D = self.vectors_ND[rows].astype(np.float64).mean(axis=0)
            scores_SN[0] = self.vectors_ND @ (user_D / np.linalg.norm(user_D))
            decay = DECAY ** np.arange(len(rows))[::-1]
            scores_SN[1] = decay @ self.similarity_NN[rows]
        return scores_SN

    def _rank(
        self, rows: list[int], last: dict[str, int], scores_SN: Floats, candidates: list[int], k: int
    ) -> dict[str, Any]:
        shown = rows[-MAX_HISTORY:]
        times = np.array([last[self.item_ids[row]] for row in shown])
        weights = 1.0 / (1.0 + (times.max() - times) / 86400.0)
        user_D = weights @ self.vectors_ND[shown].astype(np.float64) / weights.sum()
        affinity_C = self.vectors_ND[candidates] @ user_D
        logits_CH = affinity_C[:, None] * 2.0 + scores_SN[:, candidates].T @ self.score_weights_SH + self.biases_H
        values_N = np.full(NUM_ITEMS, -np.inf)
        values_N[candidates] = (1.0 / (1.0 + np.exp(-logits_CH))) @ np.array(HEAD_WEIGHTS)
        return self._list(values_N, _best(values_N, k))

    def _list(self, scores_N: Floats, rows: list[int]) -> dict[str, Any]:
        return {"item_ids": [self.item_ids[row] for row in rows], "scores": [float(scores_N[row]) for row in rows]}


def _top_cosines(counts_UN: Floats) -> Floats:
    cosines_NN = counts_UN.T @ counts_UN
    norms_N = np.sqrt(np.diag(cosines_NN))
    cosines_NN /= np.maximum(norms_N[:, None] * norms_N, 1e-12)
    np.fill_diagonal(cosines_NN, 0.0)
    for row in cosines_NN:
        row[np.argsort(-row, kind="stable")[NUM_NEIGHBOURS:]] = 0.0
    return cosines_NN.astype(np.float32).astype(np.float64)


def _best(scores_N: Floats, k: int) -> list[int]:
    order = np.argsort(-scores_N.astype(np.float32), kind="stable")[:k]
    return [int(row) for row in order if scores_N[row] > -np.inf]


def make_graph(name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any]) -> bytes:
    initializers = [numpy_helper.from_array(np.asarray(array), key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def user_tower() -> bytes:
    """The sum of the vectors of the history, which are 0 at padding, scaled to length 1."""
    node = helper.make_node
    nodes = [
        node("ReduceSum", ["history_vectors", "axis_1"], ["sum"], keepdims=0),
        node("ReduceL2", ["sum", "axis_1"], ["length"], keepdims=1),
        node("Max", ["length", "tiny"], ["divisor"]),
        node("Div", ["sum", "divisor"], ["user_vector"]),
    ]
    return make_graph(
        "user_tower",
        nodes,
        [helper.make_tensor_value_info("history_vectors", TensorProto.FLOAT, ["batch", MAX_HISTORY, DIM])],
        [helper.make_tensor_value_info("user_vector", TensorProto.FLOAT, ["batch", DIM])],
        {
            "axis_1": np.array([1], np.int64),
            "tiny": np.array(1e-12, np.float32),
        },
    )


def ranker(world: SmallWorld) -> bytes:
    """sigmoid(2 x affinity to the recency-weighted history + retrieval scores x weights + bias), one column a head."""
    node = helper.make_node
    nodes = [
        node("Greater", ["history_items", "zero"], ["present"]),
        node("Cast", ["present"], ["mask"], to=TensorProto.FLOAT),
        node("Add", ["history_recency_days", "one"], ["age"]),
        node("Div", ["mask", "age"], ["weights"]),
        node("Unsqueeze", ["weights", "axis_2"], ["weights_column"]),
        node("Mul", ["history_vectors", "weights_column"], ["weighted"]),
        node("ReduceSum", ["weighted", "axis_1"], ["sum"], keepdims=1),
        node("ReduceSum", ["weights_column", "axis_1"], ["total"], keepdims=1),
        node("Max", ["total", "tiny"], ["divisor"]),
        node("Div", ["sum", "divisor"], ["user"]),
        node("Mul", ["candidate_vectors", "user"], ["products"]),
        node("ReduceSum", ["products", "axis_2"], ["affinity"], keepdims=1),
        node("Mul", ["affinity", "two"], ["doubled"]),
        node("MatMul", ["retrieval_scores", "score_weights"], ["from_scores"]),
        node("Add", ["doubled", "from_scores"], ["unbiased"]),
        node("Add", ["unbiased", "biases"], ["logits"]),
        node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    value = helper.make_tensor_value_info
    inputs = [
        value("history_items", TensorProto.INT64, ["batch", MAX_HISTORY]),
        value("history_recency_days", TensorProto.FLOAT, ["batch", MAX_HISTORY]),
        value("history_vectors", TensorProto.FLOAT, ["batch", MAX_HISTORY, DIM]),
        value("candidate_vectors", TensorProto.FLOAT, ["batch", "candidates", DIM]),
        value("retrieval_scores", TensorProto.FLOAT, ["batch", "candidates", 3]),
    ]
    constants = {
        "axis_1": np.array([1], np.int64),
        "axis_2": np.array([2], np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.float32),
        "two": np.array(2, np.float32),
        "tiny": np.array(1e-12, np.float32),
        "score_weights": world.score_weights_SH,
        "biases": world.biases_H,
    }
    outputs = [value("probabilities", TensorProto.FLOAT, ["batch", "candidates", 2])]
    return make_graph("ranker", nodes, inputs, outputs, constants)


def graph_entry(output: str, **features: str) -> manifest.Graph:
    """A graph whose inputs are named as the keywords, each fed with the feature."""
    inputs = [manifest.GraphInput(name=name, feature=feature) for name, feature in features.items()]
    return manifest.Graph(inputs=inputs, output=output, max_history=MAX_HISTORY)


USER_TOWER = graph_entry("user_vector", history_vectors=f"history.vectors:{SPACE}")
RANKER = graph_entry(
    "probabilities",
    history_items="history.items",
    history_recency_days="history.recency_days",
    history_vectors=f"history.vectors:{SPACE}",
    candidate_vectors=f"candidate.vectors:{SPACE}",
    retrieval_scores="candidate.retrieval_scores",
)


def small_manifest(items: manifest.Items, sources: list[manifest.Source]) -> manifest.Manifest:
    """A manifest with these sources and nothing else that may be left out."""
    entry = manifest.Manifest(
        name="small-world",
        id="small-world-20261124T040000Z-00000000",
        data=manifest.TrainingData(
            fingerprint="sha256:0", num_users=40, num_events=900, licence="CC0-1.0", attribution="made for the tests"
        ),
        training=manifest.Training(recipe="small"),
        items=items,
        sources=sources,
        fusion=Fusion(method=FUSION_METHOD_WEIGHTED),
        num_candidates=NUM_CANDIDATES,
    )
    entry.created.FromJsonString("2026-11-24T04:00:00Z")
    return entry


def vector_index(vectors_ND: NDArray[np.float32], metric: str = "inner_product") -> VectorIndex:
    """The vectors as the index of a space: ids are rows."""
    index = VectorIndex(vectors_ND.shape[1], metric)
    index.add(np.arange(len(vectors_ND), dtype=np.int64), vectors_ND)
    return index


def space_entry(name: str, dim: int = DIM) -> manifest.Space:
    """A space under the inner product."""
    return manifest.Space(name=name, metric=manifest.METRIC_INNER_PRODUCT, dimensions=dim)


def sparse(dense: Floats) -> Sparse:
    """The compressed rows of a dense matrix, each row by value descending."""
    order = np.argsort(-dense, axis=1, kind="stable")
    kept = [[int(column) for column in columns if dense[row, column] > 0] for row, columns in enumerate(order)]
    return Sparse(
        np.cumsum([0] + [len(columns) for columns in kept], dtype=np.int64),
        np.array([column for columns in kept for column in columns], dtype=np.int32),
        np.array([dense[row, column] for row, columns in enumerate(kept) for column in columns], dtype=np.float32),
    )


def golden_message(answers: list[dict[str, Any]]) -> manifest.Golden:
    """Answers of `SmallWorld.answer` as golden requests."""
    return manifest.Golden(
        tolerance=1e-4,
        requests=[
            manifest.GoldenRequest(
                history=[manifest.GoldenEvent(**event) for event in answer["history"]],
                k=answer["k"],
                sources=[
                    manifest.GoldenSource(name=name, list=manifest.GoldenList(**one))
                    for name, one in answer["sources"].items()
                ],
                fused=manifest.GoldenList(**answer["fused"]),
                ranked=manifest.GoldenList(**answer["ranked"]),
            )
            for answer in answers
        ],
    )


def write_package(root: Path) -> None:
    """The small package with three sources and a ranker."""
    world = SmallWorld()
    with Draft(root) as draft:
        draft.add_vectors(SPACE, vector_index(world.vectors_ND).save)
        draft.add_matrix("item_neighbours", sparse(world.similarity_NN))
        draft.add_scores("popular", world.popularity_N)
        draft.add_graph("two_tower", lambda file: file.write_bytes(user_tower()))
        draft.add_graph("ranker", lambda file: file.write_bytes(ranker(world)))
        histories: list[tuple[list[tuple[str, int]], int]] = [
            ([("item-004", START), ("item-017", START + 86_400), ("item-033", START + 200_000)], 10),
            ([(f"item-{row:03d}", START + 5_000 * row) for row in range(1, 29, 2)], 5),
            ([("item-059", START), ("item-059", START + 60)], 10),
            ([], 10),
        ]
        draft.add_golden(golden_message([world.answer(history, k) for history, k in histories]))
        weights = manifest.HistoryWeights(max_items=MAX_HISTORY, decay_per_step=DECAY)
        tower = manifest.UserVector(space=SPACE, graph=USER_TOWER)
        kinds: list[dict[str, Any]] = [
            {"user_vector": tower},
            {"item_matrix": manifest.ItemMatrix(history=weights)},
            {"item_scores": manifest.ItemScores()},
        ]
        sources = [
            manifest.Source(name=name, family=name, weight=weight, **kind)
            for name, weight, kind in zip(SOURCES, WEIGHTS, kinds, strict=True)
        ]
        entry = small_manifest(world.add_items(draft), sources)
        entry.spaces.append(space_entry(SPACE))
        entry.fallback_source = "popular"
        entry.ranker.graph.CopyFrom(RANKER)
        entry.ranker.heads.extend(
            manifest.RankerHead(name=name, weight=weight) for name, weight in zip(HEADS, HEAD_WEIGHTS, strict=True)
        )
        entry.rerank.space = SPACE
        entry.evaluations.append(
            manifest.Evaluation(
                protocol="global_time",
                split="test",
                results=[
                    manifest.ScorerResult(
                        scorer="two_tower", metrics=[manifest.MetricValue(name="ndcg@10", value=0.125)]
                    )
                ],
            )
        )
        draft.publish(entry)


@pytest.fixture(scope="session")
def package_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small package, complete and sound. Shared by all tests: never write into it."""
    root: Path = tmp_path_factory.mktemp("small") / "package"
    write_package(root)
    return root


@pytest.fixture(scope="session")
def neighbours(package_dir: Path) -> Sparse:
    """The matrix of the source item_neighbours, as it lies in the small package."""
    return open_sparse(package_dir, layout.matrix_folder("item_neighbours"), NUM_ITEMS, NUM_ITEMS)


@pytest.fixture
def package_copy(package_dir: Path, tmp_path: Path) -> Path:
    """A copy of the small package for one test to break."""
    copy = tmp_path / "package"
    shutil.copytree(package_dir, copy)
    return copy


@pytest.fixture
def edit_manifest(package_copy: Path) -> EditManifest:
    """Calls a function on the parsed manifest of `package_copy` and writes what it left."""

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        file = package_copy / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        change(manifest)
        file.write_text(json.dumps(manifest), encoding="utf-8")

    return edit


@pytest.fixture
def replace_file(package_copy: Path, edit_manifest: EditManifest) -> ReplaceFile:
    """Writes a file of `package_copy` anew, size and checksum in the manifest included."""

    def replace(path: str, content: bytes) -> None:
        (package_copy / path).write_bytes(content)

        def change(document: dict[str, Any]) -> None:
            document["files"] = [entry for entry in document["files"] if entry["path"] != path]
            fresh = file_entry(package_copy, path, "replaced")
            document["files"].append(
                {"path": path, "role": fresh.role, "num_bytes": fresh.num_bytes, "sha256": fresh.sha256}
            )

        edit_manifest(change)

    return replace
