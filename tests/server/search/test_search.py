"""Searches that wait together share scans, and each gets what it would get alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.v1.search_pb2 import SearchRequest, SearchResponse
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, Tensor
from shortlist_kernels import VectorIndex
from shortlist_server.batching.deadline import Deadline, Task
from shortlist_server.catalog.package import Package
from shortlist_server.catalog.spaces import Space
from shortlist_server.errors import DeadlineImpossibleError, InvalidRequestError
from shortlist_server.search.query import SearchQuery
from shortlist_server.search.scan import MAX_SCAN_LISTED, MAX_SCAN_QUERIES, SMALL_K, plan_scans
from shortlist_server.search.service import VectorSearch

DIM = 8
GONE = Deadline(cancelled=lambda: True)
SPACES = tuple(Space(name, VectorIndex(DIM), 1) for name in ("one", "other"))


class Scan(NamedTuple):
    """One call of the index."""

    num_queries: int
    k: int
    allow: Any
    exclude: Any


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Scan]:
    """Every call of an index, as it is made."""
    made: list[Scan] = []
    search = VectorIndex.search

    def counting(self: VectorIndex, queries: Any, k: int, exclude: Any = None, allow: Any = None, **rest: Any) -> Any:
        made.append(Scan(len(queries), k, allow, exclude))
        return search(self, queries, k, exclude=exclude, allow=allow, **rest)

    monkeypatch.setattr(VectorIndex, "search", counting)
    return made


@pytest.fixture(scope="session")
def searches(package: Package) -> VectorSearch:
    return VectorSearch(package, max_reply_bytes=10**7)


def request(num_queries: int = 1, seed: int = 0, **fields: Any) -> SearchRequest:
    queries = np.random.default_rng(seed).standard_normal((num_queries, DIM)).astype("<f4")
    tensor = Tensor(data_type=DATA_TYPE_FLOAT32, shape=queries.shape, data=queries.tobytes())
    return SearchRequest(queries=tensor, **fields)


def run(searches: VectorSearch, requests: list[SearchRequest]) -> list[SearchResponse | Exception]:
    return searches.run([Task(one) for one in requests])


def test_requests_that_wait_together_are_one_scan(searches: VectorSearch, scans: list[Scan]) -> None:
    asked = [request(seed=seed, k=1 + seed % SMALL_K, rows_only=seed % 2 == 0) for seed in range(64)]
    asked[7].space = "items"  # which is the default
    run(searches, asked)
    assert scans == [Scan(64, 64, None, None)]


def test_a_large_k_is_paid_for_by_those_who_asked_for_it(searches: VectorSearch, scans: list[Scan]) -> None:
    run(searches, [request(k=10), request(k=1000), request(k=100), request(k=700), request(k=300)])
    assert sorted((scan.num_queries, scan.k) for scan in scans) == [(1, 300), (2, 100), (2, 1000)]


def test_allow_lists_have_a_scan_of_their_own_and_exclude_lists_need_none(
    searches: VectorSearch, scans: list[Scan]
) -> None:
    allowing = [request(2, allow_item_ids=["item-003", "nope"]), request(allow_item_ids=["item-009", "item-001"])]
    run(searches, [request(), *allowing, request(3, exclude_item_ids=["item-005"])])
    without, within = sorted(scans, key=lambda scan: scan.allow is not None)
    assert (without.num_queries, within.num_queries) == (4, 3)
    assert [part.tolist() for part in without.exclude] == [[0, 0, 1, 2, 3], [5, 5, 5]]
    assert [part.tolist() for part in within.allow] == [[0, 1, 2, 4], [3, 3, 1, 9]]


def test_a_request_of_many_queries_takes_several_scans_and_a_list_is_not_repeated_for_each(
    searches: VectorSearch, scans: list[Scan]
) -> None:
    asked = request(2 * MAX_SCAN_QUERIES + 1, exclude_item_ids=[f"item-{row:03d}" for row in range(50)])
    (reply,) = run(searches, [asked])
    assert [scan.num_queries for scan in scans] == [MAX_SCAN_QUERIES, MAX_SCAN_QUERIES, 1]
    assert all(scan.exclude.tolist() == list(range(50)) for scan in scans)
    assert isinstance(reply, SearchResponse)
    assert reply.item_ids[:10] == alone(searches, request(1, exclude_item_ids=asked.exclude_item_ids), asked).item_ids


def alone(searches: VectorSearch, one: SearchRequest, of: SearchRequest) -> SearchResponse:
    """The answer to the first query of a larger request."""
    one.queries.CopyFrom(Tensor(data_type=DATA_TYPE_FLOAT32, shape=[1, DIM], data=of.queries.data[: DIM * 4]))
    (reply,) = run(searches, [one])
    assert isinstance(reply, SearchResponse)
    return reply


def test_a_request_of_many_queries_is_given_up_between_scans(searches: VectorSearch, scans: list[Scan]) -> None:
    deadline = Deadline(cancelled=lambda: len(scans) >= 2)
    outcomes = searches.run([Task(request(4 * MAX_SCAN_QUERIES), deadline)])
    assert isinstance(outcomes[0], DeadlineImpossibleError)
    assert len(scans) == 2


def test_what_expires_while_others_are_scanned_is_not_begun(searches: VectorSearch, scans: list[Scan]) -> None:
    first_only = Deadline(cancelled=lambda: len(scans) >= 1)
    tasks = [Task(request(2)), Task(request(k=1000), first_only), Task(request(k=900))]
    outcomes = searches.run(tasks)
    assert [type(outcome) for outcome in outcomes] == [SearchResponse, DeadlineImpossibleError, SearchResponse]
    assert [(scan.num_queries, scan.k) for scan in scans] == [(2, 10), (1, 900)]


IDS = st.lists(st.sampled_from([f"item-{row:03d}" for row in range(60)] + ["nope"]), max_size=70)
REQUESTS = st.builds(
    request,
    num_queries=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    k=st.sampled_from([1, 3, 10, 100, 129, 300, 1000, 1000, 0, 1001]),
    space=st.sampled_from(["", "items", "items", "nope"]),
    allow_item_ids=st.one_of(st.just([]), IDS),
    exclude_item_ids=st.one_of(st.just([]), IDS),
    rows_only=st.booleans(),
)


@given(st.lists(st.tuples(REQUESTS, st.booleans()), min_size=1, max_size=12))
def test_every_request_gets_the_bytes_that_it_gets_alone(
    searches: VectorSearch, asked: list[tuple[SearchRequest, bool]]
) -> None:
    outcomes = searches.run([Task(one, GONE) if is_gone else Task(one) for one, is_gone in asked])
    for (one, is_gone), outcome in zip(asked, outcomes, strict=True):
        (expected,) = run(searches, [one])
        if is_gone:
            assert isinstance(outcome, DeadlineImpossibleError)
        elif isinstance(expected, InvalidRequestError):
            assert isinstance(outcome, InvalidRequestError)
            assert outcome.violations == expected.violations
        else:
            assert isinstance(outcome, SearchResponse)
            assert isinstance(expected, SearchResponse)
            assert outcome.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def query(number: int, num_queries: int, k: int, num_allowed: int, num_excluded: int) -> SearchQuery:
    def rows(num: int) -> NDArray[np.int64] | None:
        return np.arange(num) if num else None

    return SearchQuery(
        space=SPACES[number],
        queries_QD=np.zeros((num_queries, 1), np.float32),
        k=k,
        allow_rows=rows(num_allowed),
        exclude_rows=rows(num_excluded),
        rows_only=False,
    )


NUM_LISTED = st.sampled_from([0, 0, 0, 1, 200, 100_000])
QUERIES = st.builds(
    query, st.integers(0, 1), st.sampled_from([1, 1, 1, 4, 64, 300, 4096]), st.integers(1, 1000), NUM_LISTED, NUM_LISTED
)


@given(st.lists(QUERIES, max_size=80))
def test_a_plan_holds_every_search_once_and_only_those_together_that_fit(queries: list[SearchQuery]) -> None:
    plan = plan_scans(queries)
    assert sorted(index for scan in plan for index in scan) == list(range(len(queries)))
    for scan in plan:
        shared = [queries[index] for index in scan]
        assert len({one.space for one in shared}) == 1
        assert len({one.allow_rows is None for one in shared}) == 1
        smallest, largest = min(one.k for one in shared), max(one.k for one in shared)
        assert largest <= max(SMALL_K, 2 * smallest)
        if len(scan) > 1:
            assert sum(len(one) for one in shared) <= MAX_SCAN_QUERIES
            lists = [(len(one), rows) for one in shared for rows in (one.allow_rows, one.exclude_rows)]
            assert sum(num * len(rows) for num, rows in lists if rows is not None) <= MAX_SCAN_LISTED
