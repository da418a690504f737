"""Re-ranking for diversity on the device: `mmr`, `dpp`."""

from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.arrays import METRICS, Float64, Int64
from shortlist_kernels.cuda import backend, interop
from shortlist_kernels.cuda.backend import LANES, DeviceArray, num_blocks
from shortlist_kernels.cuda.kernels.diversity import raise_determinant, take_marginal
from shortlist_kernels.cuda.kernels.scoring import NUM_FACTS, describe_items
from shortlist_kernels.reference.ranks import relevance_lost
from shortlist_kernels.rerank.candidates import candidates, fractions
from shortlist_kernels.rerank.diversity import diagonal

COSINE = METRICS.index("cosine")


class _Call(NamedTuple):
    """The checked arguments of a call."""

    vectors: DeviceArray  # float32 (Q * N, D)
    scores_QN: Float64
    k: int
    diversity_Q: Float64
    is_single: bool


def mmr(vectors: Any, scores: Any, k: int, diversity: Any) -> tuple[Any, Any]:
    """`rerank.mmr` on the device, with the same results, which lie where the vectors do.

    Scores and diversity are read on the host. Raises ValueError for what that refuses, RuntimeError without a GPU.
    """
    given = _checked(vectors, scores, k, diversity)
    order_QK, lost_Q = marginal(given.vectors, given.scores_QN, given.k, given.diversity_Q)
    return _shaped(order_QK, lost_Q, given.is_single, interop.is_on_device(vectors))


def dpp(vectors: Any, scores: Any, k: int, diversity: Any) -> tuple[Any, Any]:
    """`rerank.dpp` on the device; arguments, results and errors are as for `mmr`."""
    given = _checked(vectors, scores, k, diversity)
    weights_QN = diagonal(given.scores_QN, given.diversity_Q)
    order_QK, lost_Q = determinantal(given.vectors, given.scores_QN, weights_QN, given.k)
    return _shaped(order_QK, lost_Q, given.is_single, interop.is_on_device(vectors))


def marginal(vectors: DeviceArray, scores_QN: Float64, k: int, diversity_Q: Float64) -> tuple[Int64, Float64]:
    """See `reference.mmr`."""
    order_QK = np.full((len(scores_QN), k), -1)
    for part in backend.row_parts(len(scores_QN)):
        order_QK[part] = _marginal(_vectors_of(vectors, scores_QN, part), scores_QN[part], k, diversity_Q[part])
    return order_QK, _lost(scores_QN, order_QK)


def _vectors_of(vectors: DeviceArray, scores_QN: Float64, part: slice) -> DeviceArray:
    num_items = scores_QN.shape[1]
    return vectors[part.start * num_items : part.stop * num_items] if num_items else vectors


def _marginal(vectors: DeviceArray, scores_QN: Float64, k: int, diversity_Q: Float64) -> Int64:
    num_queries, num_items = scores_QN.shape
    num_taken_Q = _num_taken(scores_QN, k)
    order = backend.upload(np.full((num_queries, k), -1))
    take_marginal.launch(
        (min(k, 1), num_queries if num_items else 0),
        vectors,
        _facts(vectors, scores_QN.size),
        backend.upload(np.where(scores_QN == -np.inf, 0.0, scores_QN)),
        backend.upload(diversity_Q),
        backend.upload(num_taken_Q),
        num_items,
        backend.upload((scores_QN != -np.inf).astype(np.int8)),
        backend.zeros((num_queries, num_items), np.float64),
        order,
    )
    return backend.download(order)[:num_queries, :k]


def determinantal(vectors: DeviceArray, scores_QN: Float64, weights_QN: Float64, k: int) -> tuple[Int64, Float64]:
    """See `reference.dpp`."""
    order_QK = np.full((len(scores_QN), k), -1)
    for part in backend.row_parts(len(scores_QN)):
        order_QK[part] = _determinantal(_vectors_of(vectors, scores_QN, part), scores_QN[part], weights_QN[part], k)
    return order_QK, _lost(scores_QN, order_QK)


def _determinantal(vectors: DeviceArray, scores_QN: Float64, weights_QN: Float64, k: int) -> Int64:
    num_queries, num_items = scores_QN.shape
    num_taken_Q = _num_taken(scores_QN, k)
    most = int(num_taken_Q.max(initial=0))
    order = backend.upload(np.full((num_queries, k), -1))
    raise_determinant.launch(
        (min(most, 1), num_queries),
        vectors,
        _facts(vectors, scores_QN.size),
        backend.upload(weights_QN),
        backend.upload(num_taken_Q),
        num_items,
        backend.upload((scores_QN != -np.inf).astype(np.int8)),
        backend.upload(np.ones((num_queries, num_items))),
        backend.empty((num_queries, most, vectors.shape[1]), np.float64),
        backend.empty((num_queries, most), np.float64),
        order,
    )
    order_QK = backend.download(order)[:num_queries, :k]
    for taken_K, scores_N, num_taken in zip(order_QK, scores_QN, num_taken_Q, strict=True):
        gaining = taken_K[taken_K >= 0]
        left = np.setdiff1d(np.flatnonzero(scores_N != -np.inf), gaining)
        best_left = left[np.argsort(-scores_N[left], kind="stable")]
        taken_K[gaining.size : num_taken] = best_left[: num_taken - gaining.size]
    return order_QK


def _lost(scores_QN: Float64, order_QK: Int64) -> Float64:
    return np.array(
        [
            relevance_lost(scores_N, order_K[order_K >= 0])
            for scores_N, order_K in zip(scores_QN, order_QK, strict=True)
        ],
        np.float64,
    )


def _num_taken(scores_QN: Float64, k: int) -> Any:
    return np.minimum(np.count_nonzero(scores_QN != -np.inf, axis=1), k).astype(np.int32)


def _facts(vectors: DeviceArray, num_rows: int) -> DeviceArray:
    facts = backend.empty((NUM_FACTS, num_rows), np.float64)
    describe_items.launch((num_blocks(num_rows * LANES), 1), COSINE, vectors, 0, num_rows, facts)
    return facts


def _checked(vectors: Any, scores: Any, k: int, diversity: Any) -> _Call:
    backend.require_gpu()
    users = candidates(interop.on_host("scores", scores))
    on_device, shape = interop.float32s("vectors", vectors, (*users.shape, "D"))
    return _Call(
        on_device.reshape((-1, max(shape[-1], 1))),
        users.scores_QN,
        checks.whole_number("k", k, minimum=0),
        fractions("diversity", interop.on_host("diversity", diversity), len(users.scores_QN)),
        len(users.shape) == 1,
    )


def _shaped(order_QK: Int64, lost_Q: Float64, is_single: bool, is_on_device: bool) -> tuple[Any, Any]:
    answer = (order_QK[0], np.asarray(lost_Q[0])) if is_single else (order_QK, lost_Q)
    if not is_on_device:
        return answer
    shapes = [part.shape for part in answer]
    return tuple(
        interop.given_back(backend.upload(part.reshape(-1)), shape, to_host=False)
        for part, shape in zip(answer, shapes, strict=True)
    )
