"""The async client mirrors the sync one, over a real server."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped,unused-ignore]

import shortlist
from shortlist.v1 import answer_pb2, event_pb2, recommendation_pb2, search_pb2, tensor_pb2
from tests.protos.scripted_server import Script

_T = TypeVar("_T")
OK = recommendation_pb2.RecommendResponse(items=[answer_pb2.RankedItem(item_id="a")])
METHODS = ["recommend", "recommend_batch", "rank", "similar_items", "search", "record_events"]


def call(script: Script, use: Callable[[shortlist.AsyncClient], Awaitable[_T]]) -> _T:
    """Use a client in an event loop of its own."""

    async def main() -> _T:
        async with shortlist.AsyncClient(script.target, token="s3cret", timeout_s=20) as client:
            return await use(client)

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["__init__", *METHODS])
def test_both_clients_take_the_same_arguments(name: str) -> None:
    sync, mirrored = getattr(shortlist.Client, name), getattr(shortlist.AsyncClient, name)
    assert inspect.signature(sync) == inspect.signature(mirrored)
    assert inspect.iscoroutinefunction(mirrored) == (name != "__init__")


def test_both_clients_have_the_same_public_methods() -> None:
    def public(client: type) -> set[str]:
        return {name for name in vars(client) if not name.startswith("_")}

    assert public(shortlist.Client) == public(shortlist.AsyncClient) == {*METHODS, "close"}


def test_recommend_sends_and_returns(script: Script) -> None:
    script.answers.append(OK)
    reply = call(script, lambda client: client.recommend(user_id="u", k=3))
    assert [item.item_id for item in reply.items] == ["a"]
    assert script.requests == [
        recommendation_pb2.RecommendRequest(user_id="u", k=3, explanation_level=answer_pb2.EXPLANATION_LEVEL_BRIEF)
    ]
    assert script.metadata[0]["authorization"] == "Bearer s3cret"
    assert 0 < script.seconds_given[0] < 21


def test_calls_run_side_by_side(script: Script) -> None:
    script.answers.extend([OK] * 20)

    async def many(client: shortlist.AsyncClient) -> list[shortlist.Reply]:
        return await asyncio.gather(*(client.recommend(user_id=str(user)) for user in range(20)))

    replies = call(script, many)
    assert [reply.items[0].item_id for reply in replies] == ["a"] * 20
    users = {request.user_id for request in script.requests if isinstance(request, recommendation_pb2.RecommendRequest)}
    assert users == {str(user) for user in range(20)}


def test_the_other_calls_send_and_return(script: Script) -> None:
    scores = tensor_pb2.Tensor(
        data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=[1, 1], data=np.array([0.5], "<f4").tobytes()
    )
    script.answers.extend(
        [
            recommendation_pb2.RecommendBatchResponse(results=[recommendation_pb2.RecommendResult(response=OK)]),
            recommendation_pb2.RankResponse(items=[answer_pb2.RankedItem(item_id="b")]),
            recommendation_pb2.SimilarItemsResponse(items=[answer_pb2.RankedItem(item_id="c")]),
            search_pb2.SearchResponse(scores=scores, item_ids=["d"]),
            event_pb2.RecordEventsResponse(num_recorded=10_000),
            event_pb2.RecordEventsResponse(num_recorded=2),
        ]
    )
    event = shortlist.Event(user_id="u", item_id="i", type="view", timestamp=1)

    async def all_calls(client: shortlist.AsyncClient) -> None:
        (result,) = await client.recommend_batch([{"user_id": "u"}])
        assert isinstance(result, shortlist.Reply)
        assert (await client.rank(user_id="u", item_ids=["b"])).items[0].item_id == "b"
        assert (await client.similar_items("a")).items[0].item_id == "c"
        scores_QK, ids_QK = await client.search([1.0, 2.0], k=1)
        assert (scores_QK.tolist(), ids_QK.tolist()) == ([[0.5]], [["d"]])
        assert await client.record_events([event] * 10_002) == 10_002

    call(script, all_calls)
    assert len(script.requests) == 6


def test_errors_carry_their_details(script: Script) -> None:
    detail = error_details_pb2.BadRequest()
    detail.field_violations.add(field="k", description="0 is not in 1..1000")
    script.fail(grpc.StatusCode.INVALID_ARGUMENT, "1 field", detail)
    with pytest.raises(shortlist.InvalidRequestError, match=r"^INVALID_ARGUMENT: k: 0 is not in 1\.\.1000$") as caught:
        call(script, lambda client: client.recommend(user_id="u", k=0))
    assert caught.value.violations == (shortlist.Violation("k", "0 is not in 1..1000"),)


def test_unavailable_is_retried(script: Script) -> None:
    script.fail(grpc.StatusCode.UNAVAILABLE, "restarting")
    script.answers.append(OK)
    assert call(script, lambda client: client.recommend(user_id="u")).items[0].item_id == "a"
    assert len(script.requests) == 2


def test_a_late_answer_is_deadline_exceeded(script: Script) -> None:
    script.answers.append("hang")
    with pytest.raises(shortlist.DeadlineExceededError):
        call(script, lambda client: client.recommend(user_id="u", timeout_s=0.2))


def test_a_client_outside_an_event_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        shortlist.AsyncClient("localhost:1")
