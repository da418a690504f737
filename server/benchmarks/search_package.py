"""Makes a sound package round a large vector space: random unit vectors, and the kinds of sources that are asked for.

    python server/benchmarks/search_package.py --items 1000000 --dim 64 --sources all --out build/large

`--sources scores` is the smallest package that serves; `all` adds a mean of the history's vectors and an item matrix.

N items, D dimensions.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from shortlist.package import Draft
from shortlist.package.arrays import Sparse
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.recommendation_pb2 import FUSION_METHOD_WEIGHTED, Fusion
from shortlist_kernels import VectorIndex

MAX_HISTORY, NUM_CANDIDATES, NUM_NEIGHBOURS = 50, 200, 20
ROWS_AT_ONCE = 65_536
SPACE = "items"


def write_package(root: Path, num_items: int, dim: int, *, every_kind: bool) -> None:
    with Draft(root) as draft:
        item_ids = [f"item-{row:08d}" for row in range(num_items)]
        entry = manifest.Manifest(
            name="random-vectors",
            id=f"random-vectors-{num_items}",
            data=manifest.TrainingData(fingerprint="none", licence="CC0-1.0", attribution="random"),
            training=manifest.Training(recipe="random"),
            items=draft.add_items(item_ids, titles=[f"Title of {item_id}" for item_id in item_ids]),
            spaces=[manifest.Space(name=SPACE, metric=manifest.METRIC_INNER_PRODUCT, dimensions=dim)],
            sources=[manifest.Source(name="popular", weight=0.1, item_scores=manifest.ItemScores())],
            fusion=Fusion(method=FUSION_METHOD_WEIGHTED),
            num_candidates=NUM_CANDIDATES,
            fallback_source="popular",
            rerank=manifest.Rerank(space=SPACE),
        )
        entry.created.FromSeconds(int(time.time()))
        draft.add_vectors(SPACE, random_index(num_items, dim).save)
        draft.add_scores("popular", np.linspace(1.0, 0.0, num_items))
        if every_kind:
            draft.add_matrix("neighbours", random_matrix(num_items))
            weights = manifest.HistoryWeights(max_items=MAX_HISTORY, decay_per_step=0.9)
            entry.sources.add(name="nearest", weight=0.5).user_vector.CopyFrom(
                manifest.UserVector(space=SPACE, mean=weights)
            )
            entry.sources.add(name="neighbours", weight=0.4).item_matrix.history.CopyFrom(weights)
        draft.add_golden(golden(item_ids[0]))
        draft.publish(entry)


def random_index(num_items: int, dim: int) -> VectorIndex:
    random = np.random.default_rng(0)
    index = VectorIndex(dim, "inner_product")
    for start in range(0, num_items, ROWS_AT_ONCE):
        drawn = random.standard_normal((min(ROWS_AT_ONCE, num_items - start), dim), dtype=np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        index.add(np.arange(start, start + len(drawn), dtype=np.int64), drawn)
    return index


def random_matrix(num_items: int) -> Sparse:
    """Neighbours by chance, each row by value descending."""
    random = np.random.default_rng(1)
    indices = random.integers(0, num_items, (num_items, NUM_NEIGHBOURS), dtype=np.int32)
    data = -np.sort(-random.random((num_items, NUM_NEIGHBOURS), dtype=np.float32), axis=1)
    return Sparse(np.arange(num_items + 1, dtype=np.int64) * NUM_NEIGHBOURS, indices.reshape(-1), data.reshape(-1))


def golden(item_id: str) -> manifest.Golden:
    """Of a user of whom nothing is known: the best item of the scores, whose scaled score times its weight is 0.1."""
    best = manifest.GoldenList(item_ids=[item_id], scores=[1.0])
    fused = manifest.GoldenList(item_ids=[item_id], scores=[0.1])
    request = manifest.GoldenRequest(
        k=1, sources=[manifest.GoldenSource(name="popular", list=best)], fused=fused, ranked=fused
    )
    return manifest.Golden(tolerance=1e-4, requests=[request])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--sources", choices=("scores", "all"), default="scores")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_package(arguments.out, arguments.items, arguments.dim, every_kind=arguments.sources == "all")


if __name__ == "__main__":
    main()
