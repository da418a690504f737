"""The main job on real data: the demo, what it leaves behind, and a server on its package."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import shortlist
from shortlist.v1.recommendation_pb2 import RecommendRequest, RecommendResponse
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from tests.demo_run import DemoRun, run_shortlist

SOURCES = ("popular", "item_neighbours", "two_tower")


def test_the_demo_ends_with_recommendations_and_their_reasons(demo: DemoRun) -> None:
    assert demo.exit_code == 0, demo.errors[-2000:]
    table = demo.output[demo.output.index("6/6") :]
    rows = re.findall(r"^\s*(\d+) [│|] +(\S+) +[│|] +(\S.*?) +[│|] +(\d\.\d{4}) [│|] +(\S.*)$", table, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, 11))
    assert any(row[4].startswith("because of ") for row in rows)


def test_the_demo_leaves_a_package_that_verifies(demo: DemoRun) -> None:
    finished = run_shortlist("package", "verify", str(demo.package))
    assert finished.returncode == 0, finished.stderr
    assert "two_tower" in finished.stdout


def test_the_demo_leaves_no_process_behind(demo: DemoRun) -> None:
    assert demo.left_behind == ()


def test_the_export_equals_pytorch(demo: DemoRun) -> None:
    differences = [float(text) for text in re.findall(r"largest difference[^\d]*([\d.e+-]+)", demo.output)]
    assert differences
    assert max(differences) <= 1e-4


def test_trained_models_beat_their_baselines(demo: DemoRun) -> None:
    evaluation = json.loads((demo.directory / "evaluation.json").read_text("utf-8"))
    ndcg = {scorer: metrics["ndcg@10"] for scorer, metrics in evaluation["results"].items()}
    assert ndcg["item_neighbours"] > ndcg["popular"]
    assert ndcg["two_tower"] > ndcg["popular"]
    assert all(ndcg["funnel"] > ndcg[source] for source in SOURCES)
    assert evaluation["protocol"]["name"] == "global_time"


@pytest.fixture
def stub(demo_server: str) -> RecommendationServiceStub:
    return RecommendationServiceStub(grpc.insecure_channel(demo_server))


def items_bytes(response: RecommendResponse) -> bytes:
    return b"".join(item.SerializeToString(deterministic=True) for item in response.items)


def test_equal_requests_get_equal_bytes_alone_and_64_at_once(stub: RecommendationServiceStub) -> None:
    request = RecommendRequest(user_id="12347", k=10)
    alone = {items_bytes(stub.Recommend(request, timeout=10)) for _ in range(1_000)}
    with ThreadPoolExecutor(64) as threads:
        together = set(threads.map(lambda _: items_bytes(stub.Recommend(request, timeout=60)), range(1_000)))
    assert len(alone) == 1
    assert together == alone


def test_other_users_in_flight_do_not_change_an_answer(stub: RecommendationServiceStub) -> None:
    users = [str(user) for user in range(12_346, 12_410)]
    requests = [RecommendRequest(user_id=user, k=20) for user in users]
    alone = [items_bytes(stub.Recommend(request, timeout=10)) for request in requests]
    with ThreadPoolExecutor(64) as threads:
        together = list(threads.map(lambda request: items_bytes(stub.Recommend(request, timeout=60)), requests))
    assert together == alone


def test_an_event_changes_the_next_recommendation(demo_server: str) -> None:
    with shortlist.Client(demo_server) as client:
        history = ["85123A", "22423", "84879"]
        events = [
            shortlist.Event(user_id="changes", item_id=item_id, type="purchase", timestamp=1_310_000_000 + position)
            for position, item_id in enumerate(history)
        ]
        client.record_events(events)
        before = client.recommend(user_id="changes", k=100)
        bought = before.items[5].item_id
        neighbours = {item.item_id for item in client.similar_items(bought, k=10).items} - set(history)
        event = shortlist.Event(user_id="changes", item_id=bought, type="purchase", timestamp=1_310_000_100)
        assert client.record_events([event]) == 1
        after = client.recommend(user_id="changes", k=100)
    ranks_before, ranks_after = ranks(before), ranks(after)
    assert bought not in ranks_after
    rises = [ranks_before.get(item, 101) - ranks_after.get(item, 101) for item in neighbours]
    assert sum(rises) > 0


def ranks(reply: shortlist.Reply) -> dict[str, int]:
    return {item.item_id: rank for rank, item in enumerate(reply.items, start=1)}


def test_a_new_user_gets_popular_items_and_is_told_so(demo_server: str) -> None:
    with shortlist.Client(demo_server) as client:
        reply = client.recommend(user_id="never-seen-before", k=10, explain="brief")
    assert len(reply.items) == 10
    assert "cold_start" in {degradation.reason for degradation in reply.degraded}
    assert all(isinstance(item.reasons[0], shortlist.ColdStart) for item in reply.items)
