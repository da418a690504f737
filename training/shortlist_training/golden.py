"""Golden requests: answers for real users, computed from the written files, that a server must reproduce.

B requests, K results, C candidates.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.manifest_pb2 import Golden, GoldenEvent, GoldenList, GoldenRequest, GoldenSource
from shortlist.vocabulary import EVENT_TYPES
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Histories, Lists, histories_of
from shortlist_training.data.queries import Queries
from shortlist_training.open_package import Package, open_funnel
from shortlist_training.sources.kinds import Retrieved

TOLERANCE: Final = 1e-4  # what two builds of onnxruntime and two instruction sets may differ by
_NUM_REQUESTS: Final = 16
_K: Final = 10
_MAX_EVENTS: Final = 200  # of one request: longer than most models look back, and small as JSON


def golden_requests(package: Package, dataset: Dataset) -> Golden:
    """One cold start and users of `dataset` whose histories have lengths from the shortest to the longest."""
    queries = _queries(dataset)
    funnel = open_funnel(package)
    lists = funnel.retrieve(queries)
    fused = funnel.fill(queries, funnel.fuse(lists), _K)
    ranked = funnel.order(queries, fused)
    named = {name: found for name, found in lists.items() if funnel.sources[name].retrieves}
    requests = [_request(package, queries, index, named, fused, ranked) for index in range(len(queries))]
    return Golden(tolerance=TOLERANCE, requests=requests)


def _queries(dataset: Dataset) -> Queries:
    """What requests that carry their history say: its items are all that was seen, and every event is a view."""
    histories = histories_of(dataset).last(_MAX_EVENTS)
    by_length = np.argsort(histories.lengths(), kind="stable")
    nobody = int((histories.lengths() == 0).sum())
    spread = np.linspace(nobody, len(by_length) - 1, _NUM_REQUESTS - 1).astype(np.int64)
    taken = histories.take(by_length[np.unique(spread)])
    indptr = np.concatenate(([0], taken.indptr))
    types, values = np.full_like(taken.types, EVENT_TYPES["view"]), np.full_like(taken.values, np.nan)
    with_cold = Histories(indptr, taken.rows, taken.timestamps, types, values)
    return Queries(with_cold, Lists(indptr, taken.rows), np.full(len(indptr) - 1, dataset.as_of, np.int64))


def _request(
    package: Package,
    queries: Queries,
    index: int,
    lists: Mapping[str, Retrieved],
    fused: Retrieved,
    ranked: Retrieved,
) -> GoldenRequest:
    histories = queries.histories
    entries = slice(histories.indptr[index], histories.indptr[index + 1])
    pairs = zip(histories.rows[entries].tolist(), histories.timestamps[entries].tolist(), strict=True)
    return GoldenRequest(
        history=[GoldenEvent(item_id=package.item_ids[row], timestamp=time) for row, time in pairs],
        k=_K,
        sources=[GoldenSource(name=name, list=_top(package, found, index)) for name, found in lists.items()],
        fused=_top(package, fused, index),
        ranked=_top(package, ranked, index),
    )


def _top(package: Package, found: Retrieved, index: int) -> GoldenList:
    scores_BK, rows_BK = found
    rows: NDArray[np.int64] = rows_BK[index, :_K]
    rows = rows[rows >= 0]
    scores = scores_BK[index, : len(rows)].astype(float).tolist()
    return GoldenList(item_ids=package.item_ids.take(rows.tolist()), scores=scores)
