"""Makes the smallest sound package round a large vector space: random unit vectors, one source, a ranker of one node.

N items, D dimensions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper

MAX_HISTORY, NUM_CANDIDATES = 10, 10
ROWS_AT_ONCE = 65_536
SCORES = {"name": "retrieval_scores", "dtype": "float32", "shape": ["batch", "candidates", 1]}


def write_package(root: Path, num_items: int, dim: int) -> None:
    for folder in ("models/ranker", "vectors"):
        (root / folder).mkdir(parents=True)
    item_ids = [f"item-{row:08d}" for row in range(num_items)]
    items(item_ids).write_parquet(root / "items.parquet")
    (root / "models/ranker/model.onnx").write_bytes(ranker())
    write_vectors(root / "vectors/items.npy", num_items, dim)
    best = {"item_ids": item_ids[:1], "scores": [1.0]}
    golden = {"history": [], "k": 1, "sources": {"popular": best}, "fused": best, "ranked": best}
    (root / "golden.json").write_text(json.dumps({"tolerance": 1e-4, "requests": [golden]}), encoding="utf-8")
    manifest = manifest_of(num_items)
    manifest["files"] = [entry(root, path) for path in sorted(root.rglob("*")) if path.is_file()]
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def items(item_ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": item_ids,
            "title": item_ids,
            "price": pl.Series([None] * len(item_ids), dtype=pl.Float64),
            "categories": pl.Series([[]] * len(item_ids), dtype=pl.List(pl.String)),
            "available": [True] * len(item_ids),
            "popularity": np.linspace(1.0, 0.0, len(item_ids)),
        }
    )


def write_vectors(file: Path, num_items: int, dim: int) -> None:
    random = np.random.default_rng(0)
    vectors_ND = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(num_items, dim))
    for start in range(0, num_items, ROWS_AT_ONCE):
        num = min(ROWS_AT_ONCE, num_items - start)
        drawn = random.standard_normal((num, dim), dtype=np.float32)
        vectors_ND[start : start + num] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    vectors_ND.flush()


def ranker() -> bytes:
    value = helper.make_tensor_value_info
    shape: list[str | int | None] = ["batch", "candidates", 1]
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["retrieval_scores"], ["probabilities"])],
        "ranker",
        [value("retrieval_scores", TensorProto.FLOAT, shape)],
        [value("probabilities", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def manifest_of(num_items: int) -> dict[str, Any]:
    data = {"num_users": 0, "num_items": num_items, "num_events": 0, "licence": "CC0-1.0", "attribution": "random"}
    times = {"first_timestamp": 0, "last_timestamp": 0, "train_until": 0}
    model = {"role": "ranker", "path": "models/ranker/model.onnx"}
    probabilities = {"name": "probabilities", "dtype": "float32", "shape": ["batch", "candidates", 1]}
    return {
        "schema_version": 1,
        "name": "random-vectors",
        "package_id": f"random-vectors-{num_items}",
        "created": "2026-11-24T04:00:00Z",
        "data": data | times | {"fingerprint": "none"},
        "evaluation": [],
        "max_history": MAX_HISTORY,
        "sources": [{"name": "popular", "type": "popular", "weight": 1.0}],
        "fusion": {"method": "weighted", "norm": "minmax"},
        "num_candidates": NUM_CANDIDATES,
        "ranker": {"model": "ranker", "heads": [{"name": "click", "weight": 1.0}]},
        "rerank": {"vectors": "items"},
        "models": [
            model | {"inputs": [SCORES | {"feature": "candidate.retrieval_scores"}], "outputs": [probabilities]}
        ],
        "golden": "golden.json",
    }


def entry(root: Path, file: Path) -> dict[str, Any]:
    path = file.relative_to(root).as_posix()
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path, "role": path.split("/")[0].split(".")[0], "bytes": file.stat().st_size, "sha256": digest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    draft = arguments.out.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    write_package(draft, arguments.items, arguments.dim)
    draft.rename(arguments.out)


if __name__ == "__main__":
    main()
