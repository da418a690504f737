"""SearchService over a real port: exact results as raw bytes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import shortlist
from shortlist.v1.recommendation_pb2 import SimilarItemsRequest
from shortlist.v1.search_pb2 import SearchRequest
from shortlist.v1.search_pb2_grpc import SearchServiceStub
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_INT64, Tensor
from shortlist_kernels import VectorIndex
from shortlist_server.batching.deadline import Deadline, Task
from shortlist_server.catalog.package import open_package
from shortlist_server.errors import DeadlineImpossibleError
from shortlist_server.search.service import VectorSearch
from shortlist_server.search.similar import SimilarItems

Details = Callable[[grpc.RpcError], dict[str, Any]]
QUERIES = np.random.default_rng(5).standard_normal((3, 8)).astype(np.float32)


def tensor(array: Any, **changes: Any) -> Tensor:
    fields = {"data_type": DATA_TYPE_FLOAT32, "shape": array.shape, "data": array.astype("<f4").tobytes()}
    return Tensor(**{**fields, **changes})


def test_search_finds_the_exact_top_k(client: shortlist.Client, package_dir: Path) -> None:
    vectors = VectorIndex.load(package_dir / "vectors/two_tower.index").vectors(np.arange(60))
    products = QUERIES.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.argsort(-products, axis=1, kind="stable")[:, :7]
    scores, ids = client.search(QUERIES, k=7)
    assert ids.tolist() == [[f"item-{row:03d}" for row in rows] for rows in order]
    np.testing.assert_allclose(scores, np.take_along_axis(products, order, axis=1), rtol=1e-6)


def test_allowed_and_excluded_ids_are_obeyed_and_missing_ones_are_padding(client: shortlist.Client) -> None:
    scores, ids = client.search(QUERIES, k=3, allow=["item-001", "item-002", "nope"], exclude=["item-002"])
    assert ids.tolist() == [["item-001", "", ""]] * 3
    assert np.isneginf(scores[:, 1:]).all()


def test_an_allow_list_of_unknown_ids_finds_nothing(client: shortlist.Client) -> None:
    scores, ids = client.search(QUERIES, k=2, allow=["nope"])
    assert ids.tolist() == [["", ""]] * 3
    assert np.isneginf(scores).all()


def test_rows_only_leaves_the_ids_out(search: SearchServiceStub) -> None:
    reply = search.Search(SearchRequest(space="two_tower", queries=tensor(QUERIES), k=2, rows_only=True))
    assert not reply.item_ids
    assert reply.rows.data_type == DATA_TYPE_INT64
    assert list(reply.rows.shape) == [3, 2]
    assert np.frombuffer(reply.rows.data, "<i8").min() >= 0
    assert reply.package.name == "small-world"


NAN = QUERIES.copy()
NAN[1, 4] = np.nan
BAD: list[tuple[SearchRequest, str, str]] = [
    (SearchRequest(), "queries.shape", "[] is not [1..4096, 8]"),
    (SearchRequest(queries=tensor(QUERIES), space="nope"), "space", "'nope' is not one of two_tower, items"),
    (SearchRequest(queries=tensor(QUERIES), k=0), "k", "0 is not in 1..1000"),
    (SearchRequest(queries=tensor(QUERIES), k=1001), "k", "1001"),
    (SearchRequest(queries=tensor(NAN)), "queries.data", "value [1, 4] is nan"),
    (SearchRequest(queries=tensor(QUERIES * np.float32(np.inf))), "queries.data", "inf"),
    (SearchRequest(queries=tensor(QUERIES[:, :7])), "queries.shape", "[3, 7] is not"),
    (SearchRequest(queries=tensor(QUERIES[:0])), "queries.shape", "[0, 8] is not"),
    (SearchRequest(queries=tensor(QUERIES, shape=[3, 8, 1])), "queries.shape", "[3, 8, 1]"),
    (SearchRequest(queries=tensor(QUERIES, shape=[-3, 8])), "queries.shape", "[-3, 8]"),
    (SearchRequest(queries=tensor(QUERIES, shape=[1] * 100_000)), "queries.shape", "100000 axes"),
    (SearchRequest(queries=tensor(QUERIES, data=b"123")), "queries.data", "3 bytes"),
    (SearchRequest(queries=tensor(QUERIES, data_type=DATA_TYPE_INT64)), "queries.data_type", "2 is not"),
    (SearchRequest(queries=tensor(QUERIES), allow_item_ids=["i"] * 100_001), "allow_item_ids", "100001"),
    (SearchRequest(queries=tensor(QUERIES), exclude_item_ids=["i"] * 100_001), "exclude_item_ids", "100001"),
]


def test_a_reply_too_large_to_send_is_refused_before_any_work(search: SearchServiceStub) -> None:
    request = SearchRequest(queries=tensor(np.ones((4096, 8), np.float32)), k=1000, rows_only=True)
    with pytest.raises(grpc.RpcError) as refused:
        search.Search(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "4096 queries x 1000 items are about 49152000 bytes, more than 16777216" in (refused.value.details() or "")


@pytest.mark.parametrize("kind", ["search", "similar"])
def test_what_nobody_waits_for_is_not_begun(kind: str, package_dir: Path) -> None:
    package = open_package(package_dir)
    gone = Deadline(cancelled=lambda: True)
    if kind == "search":
        tasks = [Task(SearchRequest(queries=tensor(QUERIES)), gone), Task(SearchRequest(queries=tensor(QUERIES)))]
        outcomes: list[Any] = list(VectorSearch(package, max_reply_bytes=10**6).run(tasks))
    else:
        asked = SimilarItemsRequest(item_id="item-001")
        outcomes = list(SimilarItems(package).run([Task(asked, gone), Task(asked)]))
    assert isinstance(outcomes[0], DeadlineImpossibleError)
    assert not isinstance(outcomes[1], Exception)


@pytest.mark.parametrize(("request_", "field", "value"), BAD, ids=[f"{field}-{value}" for _, field, value in BAD])
def test_bad_input_names_the_field_and_the_value(
    request_: SearchRequest, field: str, value: str, search: SearchServiceStub, details: Details
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        search.Search(request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = {one.field: one.description for one in details(refused.value)["BadRequest"].field_violations}
    assert value in violations[field]
