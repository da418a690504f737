"""A small real model package for the tests of the server, and the knobs to break a copy of it.

The graphs are real ONNX, the neighbours real cosines, and golden.json is what the NumPy code below answers, which
shares nothing with the server. N items, D dimensions, L history positions, C candidates, S sources.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import polars as pl
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats: TypeAlias = NDArray[np.float64]
EditManifest: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile: TypeAlias = Callable[[str, bytes], None]

NUM_ITEMS, DIM, MAX_HISTORY, NUM_CANDIDATES, NUM_NEIGHBOURS = 60, 8, 10, 20, 12
WEIGHTS = (0.5, 0.4, 0.1)
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

    def items(self) -> pl.DataFrame:
        categories = [["all", f"c{row % 4}"] if row % 10 else [] for row in range(NUM_ITEMS)]
        prices = [None if row % 17 == 3 else 1.0 + row / 4 for row in range(NUM_ITEMS)]
        return pl.DataFrame(
            {
                "item_id": self.item_ids,
                "title": [f"Title of {item_id}" for item_id in self.item_ids],
                "price": pl.Series(prices, dtype=pl.Float64),
                "categories": pl.Series(categories, dtype=pl.List(pl.String)),
                "available": self.available_N,
                "popularity": self.popularity_N,
                "margin": pl.Series([row % 7 for row in range(NUM_ITEMS)], dtype=pl.Int32),
            }
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
        for name, weight, scores_N in zip(("two_tower", "item_neighbours", "popular"), WEIGHTS, scores_SN, strict=True):
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


def _graph(name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any]) -> bytes:
    initializers = [numpy_helper.from_array(np.asarray(array), key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def _user_tower(world: SmallWorld) -> bytes:
    """The mean of the embeddings of the history, padding masked, scaled to length 1."""
    node = helper.make_node
    nodes = [
        node("Gather", ["embeddings", "history_items"], ["embedded"]),
        node("ReduceSum", ["embedded", "axis_1"], ["sum"], keepdims=0),
        node("ReduceL2", ["sum", "axis_1"], ["length"], keepdims=1),
        node("Max", ["length", "tiny"], ["divisor"]),
        node("Div", ["sum", "divisor"], ["user_vector"]),
    ]
    return _graph(
        "user_tower",
        nodes,
        [helper.make_tensor_value_info("history_items", TensorProto.INT64, ["batch", MAX_HISTORY])],
        [helper.make_tensor_value_info("user_vector", TensorProto.FLOAT, ["batch", DIM])],
        {
            "embeddings": np.vstack([np.zeros((1, DIM), np.float32), world.vectors_ND]),
            "axis_1": np.array([1], np.int64),
            "tiny": np.array(1e-12, np.float32),
        },
    )


def _ranker(world: SmallWorld) -> bytes:
    """sigmoid(2 x affinity to the recency-weighted history + retrieval scores x weights + bias), one column a head."""
    node = helper.make_node
    nodes = [
        node("Gather", ["embeddings", "history_items"], ["history"]),
        node("Greater", ["history_items", "zero"], ["present"]),
        node("Cast", ["present"], ["mask"], to=TensorProto.FLOAT),
        node("Add", ["history_recency_days", "one"], ["age"]),
        node("Div", ["mask", "age"], ["weights"]),
        node("Unsqueeze", ["weights", "axis_2"], ["weights_column"]),
        node("Mul", ["history", "weights_column"], ["weighted"]),
        node("ReduceSum", ["weighted", "axis_1"], ["sum"], keepdims=1),
        node("ReduceSum", ["weights_column", "axis_1"], ["total"], keepdims=1),
        node("Max", ["total", "tiny"], ["divisor"]),
        node("Div", ["sum", "divisor"], ["user"]),
        node("Gather", ["embeddings", "candidate_items"], ["candidates"]),
        node("Mul", ["candidates", "user"], ["products"]),
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
        value("candidate_items", TensorProto.INT64, ["batch", "candidates"]),
        value("retrieval_scores", TensorProto.FLOAT, ["batch", "candidates", 3]),
    ]
    constants = {
        "embeddings": np.vstack([np.zeros((1, DIM), np.float32), world.vectors_ND]),
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
    return _graph("ranker", nodes, inputs, outputs, constants)


def _tensor(name: str, dtype: str, *axes: int | str, feature: str | None = None) -> dict[str, Any]:
    tensor = {"name": name, "dtype": dtype, "shape": ["batch", *axes]}
    return tensor | {"feature": feature} if feature else tensor


def _models() -> list[dict[str, Any]]:
    history = _tensor("history_items", "int64", MAX_HISTORY, feature="history.items")
    ranker_inputs = [
        history,
        _tensor("history_recency_days", "float32", MAX_HISTORY, feature="history.recency_days"),
        _tensor("candidate_items", "int64", "candidates", feature="candidate.items"),
        _tensor("retrieval_scores", "float32", "candidates", 3, feature="candidate.retrieval_scores"),
    ]
    tower = {"role": "user_tower", "path": "models/user_tower/model.onnx"}
    ranker = {"role": "ranker", "path": "models/ranker/model.onnx"}
    return [
        tower | {"inputs": [history], "outputs": [_tensor("user_vector", "float32", DIM)]},
        ranker | {"inputs": ranker_inputs, "outputs": [_tensor("probabilities", "float32", "candidates", 2)]},
    ]


def _sources() -> list[dict[str, Any]]:
    tower = {"name": "two_tower", "type": "two_tower", "model": "user_tower", "vectors": "two_tower"}
    neighbours = {"name": "item_neighbours", "type": "item_neighbours", "neighbours": "item_neighbours"}
    return [
        tower | {"weight": WEIGHTS[0], "metric": "inner_product"},
        neighbours | {"weight": WEIGHTS[1], "history_decay": DECAY},
        {"name": "popular", "type": "popular", "weight": WEIGHTS[2]},
    ]


def _data() -> dict[str, Any]:
    counts = {"num_users": 40, "num_items": NUM_ITEMS, "num_events": 900}
    times = {"first_timestamp": START, "last_timestamp": START + 900, "train_until": START + 900}
    return counts | times | {"fingerprint": "sha256:0", "licence": "CC0-1.0", "attribution": "made for the tests"}


def _manifest() -> dict[str, Any]:
    result = {"scorer": "two_tower", "metrics": {"ndcg@10": 0.125}}
    click, purchase = ({"name": name, "weight": weight} for name, weight in zip(HEADS, HEAD_WEIGHTS, strict=True))
    return {
        "schema_version": 1,
        "name": "small-world",
        "package_id": "small-world-20261124T040000Z-00000000",
        "created": "2026-11-24T04:00:00Z",
        "data": _data(),
        "evaluation": [{"protocol": {"name": "global_time", "k": 10}, "results": [result]}],
        "max_history": MAX_HISTORY,
        "sources": _sources(),
        "fusion": {"method": "weighted", "norm": "minmax"},
        "num_candidates": NUM_CANDIDATES,
        "ranker": {"model": "ranker", "heads": [click, purchase]},
        "rerank": {"vectors": "two_tower"},
        "models": _models(),
        "golden": "golden.json",
        "files": [],
    }


def _write_package(root: Path) -> None:
    world = SmallWorld()
    for folder in ("models/user_tower", "models/ranker", "vectors", "neighbours"):
        (root / folder).mkdir(parents=True)
    world.items().write_parquet(root / "items.parquet")
    (root / "models/user_tower/model.onnx").write_bytes(_user_tower(world))
    (root / "models/ranker/model.onnx").write_bytes(_ranker(world))
    np.save(root / "vectors/two_tower.npy", world.vectors_ND)
    _write_neighbours(world.similarity_NN, root / "neighbours/item_neighbours.npz")
    histories: list[tuple[list[tuple[str, int]], int]] = [
        ([("item-004", START), ("item-017", START + 86_400), ("item-033", START + 200_000)], 10),
        ([(f"item-{row:03d}", START + 5_000 * row) for row in range(1, 29, 2)], 5),
        ([("item-059", START), ("item-059", START + 60)], 10),
        ([], 10),
    ]
    golden = {"tolerance": 1e-4, "requests": [world.answer(history, k) for history, k in histories]}
    (root / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    (root / "statistics.json").write_text(json.dumps({"num_items": NUM_ITEMS}), encoding="utf-8")
    manifest = _manifest()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        manifest["files"].append(_file_entry(root, path.relative_to(root).as_posix()))
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _write_neighbours(similarity_NN: Floats, file: Path) -> None:
    order_NN = np.argsort(-similarity_NN, axis=1, kind="stable")
    kept = [[int(item) for item in order if similarity_NN[row, item] > 0] for row, order in enumerate(order_NN)]
    np.savez(
        file,
        indptr=np.cumsum([0] + [len(items) for items in kept], dtype=np.int64),
        indices=np.array([item for items in kept for item in items], dtype=np.int32),
        data=np.array([similarity_NN[row, i] for row, items in enumerate(kept) for i in items], dtype=np.float32),
    )


def _file_entry(root: Path, path: str) -> dict[str, Any]:
    content = (root / path).read_bytes()
    role = path.split("/")[0].split(".")[0]
    return {"path": path, "role": role, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture(scope="session")
def package_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small package, complete and sound. Shared by all tests: never write into it."""
    root: Path = tmp_path_factory.mktemp("small") / "package"
    _write_package(root)
    return root


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

        def change(manifest: dict[str, Any]) -> None:
            manifest["files"] = [entry for entry in manifest["files"] if entry["path"] != path]
            manifest["files"].append(_file_entry(package_copy, path))

        edit_manifest(change)

    return replace
