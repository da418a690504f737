"""Exact nearest items of raw query vectors, for harnesses and other services.

Shapes: Q queries of one request, D dimensions, K results.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.answer_pb2 import PackageVersion
from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, Tensor
from shortlist_kernels import VectorIndex
from shortlist_server.catalog.package import Package
from shortlist_server.errors import InvalidRequest
from shortlist_server.pipeline.batch import PADDING
from shortlist_server.pipeline.query import DEFAULT_K, MAX_K
from shortlist_server.pipeline.task import Task, late
from shortlist_server.pipeline.violations import Violations

MAX_QUERIES = 4096
MAX_IDS = 100_000
DEFAULT_SPACE = "items"
BYTES_A_RESULT = 12


class VectorSearch:
    """Answers `Search` over the vector spaces of one package. Safe to run from several threads at once."""

    def __init__(self, package: Package, *, max_reply_bytes: int) -> None:
        self._catalog = package.catalog
        self._version = PackageVersion(name=package.manifest.name, id=package.manifest.package_id)
        self._spaces: dict[str, VectorIndex] = dict(package.vectors)
        spaces = [source.vectors for source in package.manifest.sources if source.type == "two_tower"]
        self._max_reply_bytes = max_reply_bytes
        self._num_threads = package.num_threads
        self._id_bytes = 2 + sum(map(len, package.catalog.item_ids)) // package.catalog.num_items
        self._spaces.setdefault(DEFAULT_SPACE, package.vectors[(spaces or [package.manifest.rerank.vectors])[0]])

    def run(self, tasks: Sequence[Task[SearchRequest]]) -> list[SearchResponse | Exception]:
        """A reply, or the error of that request alone, in order; what nobody waits for any more is not begun."""
        return [late() if task.deadline.expired() else self._answer(task.request) for task in tasks]

    def _answer(self, request: SearchRequest) -> SearchResponse | Exception:
        violations = Violations()
        space = request.space or DEFAULT_SPACE
        violations.check_known("space", space, tuple(self._spaces))
        k = request.k if request.HasField("k") else DEFAULT_K
        violations.check_integer("k", k, 1, MAX_K)
        violations.check_count("allow_item_ids", request.allow_item_ids, MAX_IDS)
        violations.check_count("exclude_item_ids", request.exclude_item_ids, MAX_IDS)
        index = self._spaces.get(space)
        queries_QD = _decode_queries(request.queries, index.dim, violations) if index else None
        if queries_QD is not None:
            self._check_reply(len(queries_QD), k, rows_only=request.rows_only, violations=violations)
        if index is None or queries_QD is None or violations.found:
            return InvalidRequest(violations.found)
        scores_QK, rows_QK = index.search(
            queries_QD,
            k,
            allow=self._known(request.allow_item_ids) if request.allow_item_ids else None,
            exclude=self._known(request.exclude_item_ids) if request.exclude_item_ids else None,
            num_threads=self._num_threads,
        )
        return self._encode(scores_QK, rows_QK, rows_only=request.rows_only)

    def _check_reply(self, num_queries: int, k: int, *, rows_only: bool, violations: Violations) -> None:
        """Refuse what gRPC would refuse to send, before any work."""
        num_bytes = num_queries * k * (BYTES_A_RESULT + (0 if rows_only else self._id_bytes))
        if num_bytes > self._max_reply_bytes:
            violations.add(
                "k", f"{num_queries} queries x {k} items are about {num_bytes} bytes, more than {self._max_reply_bytes}"
            )

    def _known(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        rows = np.unique(self._catalog.rows(item_ids).astype(np.int64))
        return np.asarray(rows[rows != PADDING])

    def _encode(self, scores_QK: NDArray[np.float32], rows_QK: NDArray[np.int64], *, rows_only: bool) -> SearchResponse:
        item_ids: list[str] = []
        if not rows_only:
            flat = rows_QK.ravel()
            item_ids = np.where(flat == PADDING, "", self._catalog.item_ids[flat]).tolist()
        return SearchResponse(
            scores=Tensor(
                data_type=DATA_TYPE_FLOAT32, shape=scores_QK.shape, data=scores_QK.astype("<f4", copy=False).tobytes()
            ),
            rows=Tensor(
                data_type=DATA_TYPE_INT64, shape=rows_QK.shape, data=rows_QK.astype("<i8", copy=False).tobytes()
            ),
            item_ids=item_ids,
            package=self._version,
        )


def _decode_queries(tensor: Tensor, dim: int, violations: Violations) -> NDArray[np.float32] | None:
    """The query vectors (Q, D); None when anything about them is wrong, which is then noted."""
    shape = tuple(tensor.shape[:3])
    if tensor.data_type != DATA_TYPE_FLOAT32:
        violations.add("queries.data_type", f"{tensor.data_type} is not DATA_TYPE_FLOAT32 ({DATA_TYPE_FLOAT32})")
    if len(shape) != 2 or not 1 <= shape[0] <= MAX_QUERIES or shape[1] != dim:
        found = list(shape) if len(tensor.shape) == len(shape) else f"{len(tensor.shape)} axes"
        violations.add("queries.shape", f"{found} is not [1..{MAX_QUERIES}, {dim}]")
        return None
    if len(tensor.data) != shape[0] * dim * 4:
        violations.add("queries.data", f"{len(tensor.data)} bytes, {list(shape)} float32 need {shape[0] * dim * 4}")
        return None
    queries_QD = np.frombuffer(tensor.data, dtype="<f4").reshape(shape).astype(np.float32)
    bad = np.argwhere(~np.isfinite(queries_QD))
    if len(bad):
        query, dimension = bad[0].tolist()
        violations.add("queries.data", f"value [{query}, {dimension}] is {queries_QD[query, dimension]}, not finite")
        return None
    return queries_QD
