"""One decoded `Search` request: checked, ids turned into rows.

Shapes: Q queries of one request, D dimensions, K results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shortlist.v1.search_pb2 import SearchRequest
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, Tensor
from shortlist.vocabulary import MAX_K
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.spaces import Space
from shortlist_server.pipeline.decoding.violations import Violations
from shortlist_server.pipeline.query import DEFAULT_K
from shortlist_server.pipeline.types import PADDING

MAX_QUERIES: Final = 4096
MAX_IDS: Final = 100_000
DEFAULT_SPACE: Final = "items"
# A score of 4 and a row of 8; what protobuf adds belongs to the tensors as a whole.
BYTES_A_RESULT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchQuery:
    """What `Search` is asked. Rows ascend without repetition; None where the request has no such list."""

    space: Space
    queries_QD: NDArray[np.float32]
    k: int
    allow_rows: NDArray[np.int64] | None
    exclude_rows: NDArray[np.int64] | None
    rows_only: bool

    def __len__(self) -> int:
        return len(self.queries_QD)


class SearchDecoder:
    """Checks requests against the spaces and the catalogue of one package and the size of a reply."""

    def __init__(self, spaces: Mapping[str, Space], catalog: Catalog, max_reply_bytes: int) -> None:
        self._spaces = spaces
        self._catalog = catalog
        self._max_reply_bytes = max_reply_bytes
        self._id_bytes = 2 + catalog.item_ids.num_bytes // catalog.num_items

    def decode(self, request: SearchRequest) -> SearchQuery:
        """The query of this request. Raises InvalidRequestError with every violation found."""
        violations = Violations()
        name = request.space or DEFAULT_SPACE
        violations.check_known("space", name, tuple(self._spaces))
        k = request.k if request.HasField("k") else DEFAULT_K
        violations.check_integer("k", k, 1, MAX_K)
        violations.check_count("allow_item_ids", request.allow_item_ids, MAX_IDS)
        violations.check_count("exclude_item_ids", request.exclude_item_ids, MAX_IDS)
        space = self._spaces.get(name)
        queries_QD = None if space is None else _decode_queries(request.queries, space.dim, violations)
        if queries_QD is not None:
            self._check_reply(len(queries_QD), k, rows_only=request.rows_only, violations=violations)
        violations.raise_if_any()
        assert space is not None
        assert queries_QD is not None
        return SearchQuery(
            space=space,
            queries_QD=queries_QD,
            k=k,
            allow_rows=self._known(request.allow_item_ids),
            exclude_rows=self._known(request.exclude_item_ids),
            rows_only=request.rows_only,
        )

    def _check_reply(self, num_queries: int, k: int, *, rows_only: bool, violations: Violations) -> None:
        """Refuse what gRPC would refuse to send, before any work."""
        num_bytes = num_queries * k * (BYTES_A_RESULT + (0 if rows_only else self._id_bytes))
        if num_bytes > self._max_reply_bytes:
            violations.add(
                "k", f"{num_queries} queries x {k} items are about {num_bytes} bytes, more than {self._max_reply_bytes}"
            )

    def _known(self, item_ids: Sequence[str]) -> NDArray[np.int64] | None:
        if not item_ids:
            return None
        rows = np.unique(self._catalog.rows(item_ids).astype(np.int64))
        return np.asarray(rows[rows != PADDING])


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
    if not np.isfinite(queries_QD).all():
        query, dimension = np.argwhere(~np.isfinite(queries_QD))[0].tolist()
        violations.add("queries.data", f"value [{query}, {dimension}] is {queries_QD[query, dimension]}, not finite")
        return None
    return queries_QD
