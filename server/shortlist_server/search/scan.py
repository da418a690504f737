"""Which searches share a scan of the vectors, and the scan.

A scan of many queries costs little more than one of a few, so requests that wait together are scanned together: those
of one space, with an allow-list or all without, and of like k. What a request gets does not depend on the others.

Shapes: Q queries of one request or one scan, D dimensions, K results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist_server.catalog.spaces import Space
from shortlist_server.search.query import SearchQuery

MAX_SCAN_QUERIES: Final = 256
"""Up to about here the pass over memory is what a scan costs on the fastest processors; every one that shares it waits
for all of it.
"""
MAX_SCAN_LISTED: Final = 2**18
"""Allowed and excluded rows in one scan: 2 MB, whereas one request may list 100,000 for each of 4,096 queries."""
SMALL_K: Final = 128
"""Up to here what nobody asked for costs less than another pass over the vectors."""


class Found(NamedTuple):
    """The results of one request."""

    scores_QK: NDArray[np.float32]
    rows_QK: NDArray[np.int64]


def plan_scans(queries: Sequence[SearchQuery]) -> list[list[int]]:
    """The indices of those that share a scan, for each scan. One too large to share stands alone."""
    groups: defaultdict[tuple[Space, bool, int], list[int]] = defaultdict(list)
    for index, query in enumerate(queries):
        groups[query.space, query.allow_rows is not None, _k_class(query.k)].append(index)
    return [scan for indices in groups.values() for scan in _filled(queries, indices)]


def scan_together(queries: Sequence[SearchQuery]) -> list[Found]:
    """The results of requests that may share a scan, by one call of the space."""
    scores_QK, rows_QK = queries[0].space.search(
        np.concatenate([query.queries_QD for query in queries]),
        max(query.k for query in queries),
        allow=_lists(queries, [query.allow_rows for query in queries]),
        exclude=_lists(queries, [query.exclude_rows for query in queries]),
    )
    ends = np.cumsum([len(query) for query in queries]).tolist()
    return [
        Found(scores_QK[end - len(query) : end, : query.k], rows_QK[end - len(query) : end, : query.k])
        for query, end in zip(queries, ends, strict=True)
    ]


def scan_alone(query: SearchQuery, expired: Callable[[], bool]) -> Found | None:
    """The results of one request of any size, by as many calls as it needs; None once it has expired."""
    parts = []
    for start in range(0, len(query), MAX_SCAN_QUERIES):
        if expired():
            return None
        parts.append(
            query.space.search(
                query.queries_QD[start : start + MAX_SCAN_QUERIES],
                query.k,
                allow=query.allow_rows,
                exclude=query.exclude_rows,
            )
        )
    return Found(np.concatenate([scores for scores, _ in parts]), np.concatenate([rows for _, rows in parts]))


def _k_class(k: int) -> int:
    """The same for all small k, then for k up to twice the smallest."""
    return (max(k, SMALL_K) - 1).bit_length()


def _filled(queries: Sequence[SearchQuery], indices: Sequence[int]) -> list[list[int]]:
    """The indices, cut where a scan is full."""
    scans: list[list[int]] = []
    num_queries = num_listed = 0
    for index in indices:
        query = queries[index]
        num_queries += len(query)
        num_listed += _num_listed(query)
        if not scans or num_queries > MAX_SCAN_QUERIES or num_listed > MAX_SCAN_LISTED:
            scans.append([])
            num_queries, num_listed = len(query), _num_listed(query)
        scans[-1].append(index)
    return scans


def _num_listed(query: SearchQuery) -> int:
    return len(query) * sum(len(rows) for rows in (query.allow_rows, query.exclude_rows) if rows is not None)


def _lists(
    queries: Sequence[SearchQuery], rows_of: Sequence[NDArray[np.int64] | None]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """A list for each query of the scan, as (indptr, rows); None where no request has one."""
    if all(rows is None for rows in rows_of):
        return None
    lists = [
        np.empty(0, np.int64) if rows is None else rows
        for query, rows in zip(queries, rows_of, strict=True)
        for _ in range(len(query))
    ]
    return np.cumsum([0, *map(len, lists)], dtype=np.int64), np.concatenate(lists)
