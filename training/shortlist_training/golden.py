"""Golden requests: answers for real users, computed from the written files, that a server must reproduce.

B requests, K results.
"""

from typing import Any

import numpy as np

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Histories, Lists, histories_before, history_features
from shortlist_training.data.queries import Queries
from shortlist_training.models import Retrieved
from shortlist_training.open_package import open_funnel
from shortlist_training.package import Package

TOLERANCE = 1e-4
_NUM_REQUESTS = 16
_K = 10


def golden_requests(package: Package, dataset: Dataset, cut: int) -> dict[str, object]:
    """One cold start and users whose histories before `cut` have lengths from the shortest to the longest kept."""
    histories = _last(histories_before(dataset, cut), package.manifest["max_history"])
    by_length = np.argsort(np.diff(histories.indptr), kind="stable")
    nobody = int(np.sum(np.diff(histories.indptr) == 0))
    spread = np.linspace(nobody, len(by_length) - 1, _NUM_REQUESTS - 1).astype(np.int64)
    users = by_length[np.unique(spread)]
    items_BL, recency_BL = history_features(histories, users, package.manifest["max_history"])
    seen = Lists(histories.indptr, histories.rows).take(users)
    queries = Queries(
        np.concatenate([np.zeros_like(items_BL[:1]), items_BL]),
        np.concatenate([np.zeros_like(recency_BL[:1]), recency_BL]),
        Lists(np.concatenate(([0], seen.indptr)), seen.rows),
    )
    item_ids = package.items["item_id"].to_list()
    past: list[list[dict[str, object]]] = [[]]
    for user in users:
        entries = slice(histories.indptr[user], histories.indptr[user + 1])
        pairs = zip(histories.rows[entries].tolist(), histories.timestamps[entries].tolist(), strict=True)
        past.append([{"item_id": item_ids[row], "timestamp": time} for row, time in pairs])
    return {"tolerance": TOLERANCE, "requests": _answers(package, queries, past, item_ids)}


def _answers(
    package: Package, queries: Queries, past: list[list[dict[str, object]]], item_ids: list[str]
) -> list[dict[str, Any]]:
    funnel = open_funnel(package)
    retrieved = funnel.retrieve(queries)
    fused = funnel.fuse(retrieved)
    ranked = funnel.order(queries, fused)
    return [
        {
            "history": history,
            "k": _K,
            "sources": {
                source.name: _top(lists, request, item_ids)
                for source, lists in zip(funnel.sources, retrieved, strict=True)
            },
            "fused": _top(fused, request, item_ids),
            "ranked": _top(ranked, request, item_ids),
        }
        for request, history in enumerate(past)
    ]


def _top(lists: Retrieved, request: int, item_ids: list[str]) -> dict[str, object]:
    scores_BK, rows_BK = lists
    rows = rows_BK[request, :_K]
    rows = rows[rows >= 0]
    return {
        "item_ids": [item_ids[row] for row in rows.tolist()],
        "scores": scores_BK[request, : len(rows)].astype(float).tolist(),
    }


def _last(histories: Histories, max_history: int) -> Histories:
    """The last `max_history` entries of every history: what a request would carry."""
    lengths = np.diff(histories.indptr)
    kept = np.minimum(lengths, max_history)
    positions = np.arange(len(histories.rows)) - np.repeat(histories.indptr[:-1], lengths)
    keep = positions >= np.repeat(lengths - kept, lengths)
    return Histories(np.concatenate(([0], np.cumsum(kept))), histories.rows[keep], histories.timestamps[keep])
