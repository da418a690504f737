"""A package of five items with a source of every kind, written by Draft; its graphs and vectors are only bytes.

Its manifest also as JSON, to be edited.
"""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format

from shortlist.package import Draft
from shortlist.package.arrays import Sparse
from shortlist.package.documents import to_json
from shortlist.package.layout import RANKER
from shortlist.v1.manifest_pb2 import Golden, Items, Manifest

ITEM_IDS = ["71053", "85123A", "lamp", "lantern", "été"]
TITLES = ["White lantern", "Heart holder", "", "Lantern", "L'été"]
SHA256 = "0" * 64
GONE = object()
Place = tuple[str | int, ...]
GRAPH = {"inputs": [{"name": "items", "feature": "history.items"}], "output": "vector", "max_history": 20}
SOURCES = [
    {"name": "popular", "family": "popular", "weight": 0.1, "item_scores": {}},
    {"name": "item_neighbours", "weight": 0.4, "item_matrix": {"history": {"max_items": 50, "decay_per_step": 0.9}}},
    {"name": "two_tower", "weight": 0.5, "user_vector": {"space": "items", "graph": GRAPH}},
    {"name": "user_neighbours", "user_neighbours": {"history": {"max_items": 50}, "num_neighbours": 100}},
    {
        "name": "mlp",
        "candidate_scorer": {
            "graph": {
                "inputs": [{"name": "vectors", "feature": "candidate.vectors:items"}],
                "output": "scores",
            }
        },
    },
]
ENTRIES = {
    "name": "shop",
    "id": "shop-2026-01-31",
    "created": "2026-01-31T12:00:00Z",
    "data": {"fingerprint": "sha256:12ab", "num_users": 2, "num_events": 3, "licence": "CC0-1.0"},
    "training": {"recipe": "by hand", "seed": 7, "settings": {"epochs": 3, "grid": [1, None, {"deep": True}]}},
    "evaluations": [{"protocol": "leave one out", "results": [{"scorer": "fused", "metrics": [{"name": "ndcg@10"}]}]}],
    "spaces": [{"name": "items", "metric": "METRIC_COSINE", "dimensions": 4}],
    "sources": SOURCES,
    "fusion": {"method": "FUSION_METHOD_WEIGHTED"},
    "num_candidates": 200,
    "fallback_source": "popular",
    "ranker": {
        "graph": {
            "inputs": [
                {"name": "retrieval", "feature": "candidate.retrieval_scores"},
                {"name": "price", "feature": "candidate.numeric:price"},
                {"name": "hour", "feature": "context.hour"},
            ],
            "output": "heads",
        },
        "heads": [{"name": "view", "weight": 1}, {"name": "purchase", "weight": -0.5}],
    },
    "rerank": {"space": "items"},
}


def small_manifest(items: Items | None = None) -> Manifest:
    """Everything but the files, which Draft lists."""
    manifest = json_format.ParseDict(ENTRIES, Manifest())
    manifest.items.CopyFrom(items or Items(num_items=len(ITEM_IDS), numeric=["price"]))
    return manifest


def small_golden() -> Golden:
    """One request and its answers."""
    fused = {"item_ids": ["lamp"], "scores": [0.5]}
    request = {
        "history": [{"item_id": "été", "timestamp": "1320000000"}],
        "k": 1,
        "sources": [{"name": "popular", "list": fused}],
        "fused": fused,
        "ranked": fused,
    }
    return json_format.ParseDict({"tolerance": 1e-4, "requests": [request]}, Golden())


def fill(draft: Draft) -> Manifest:
    """Write everything but the manifest, and return it."""
    prices = np.array([1.5, 2.95, np.nan, 0, 7])
    categories = [["light"], ["heart", "wall"], ["light", "light"], [], ["wall"]]
    items = draft.add_items(ITEM_IDS, titles=TITLES, categories=categories, numeric={"price": prices})
    eye = Sparse(np.arange(6), np.arange(5, dtype=np.int32), np.ones(5, np.float32))
    draft.add_scores("popular", np.arange(5, dtype=np.float64))
    draft.add_matrix("item_neighbours", eye)
    draft.add_interactions("user_neighbours", eye, eye)
    for name in ("two_tower", "mlp", RANKER):
        draft.add_graph(name, lambda file: file.write_bytes(b"a graph"))
    draft.add_vectors("items", lambda file: file.write_bytes(b"vectors"))
    draft.add_golden(small_golden())
    return small_manifest(items)


def write_package(target: Path) -> Path:
    """The package at `target`."""
    with Draft(target) as draft:
        draft.publish(fill(draft))
    return target


def document() -> dict[str, Any]:
    """manifest.json of the small package, as JSON."""
    manifest = small_manifest()
    manifest.schema_version = 2
    for path in ("golden.json", "items/ids.bytes.npy"):
        manifest.files.add(path=path, role="items", num_bytes=8, sha256=SHA256)
    found: dict[str, Any] = json.loads(to_json(manifest))
    return found


def edited(whole: Any, path: Place, value: Any) -> Any:
    """A copy with another value there; GONE takes it away."""
    whole = copy.deepcopy(whole)
    place = whole
    for step in path[:-1]:
        place = place[step]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole
