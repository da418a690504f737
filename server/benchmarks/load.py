"""The load: sends Recommend requests from a process of its own, so that the client does not slow the server's process.

Prints one JSON object: latencies in milliseconds, the rate, and the medians of the stages as the replies tell them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
from grpc import aio

from shortlist.package import read_manifest
from shortlist.package.arrays import open_array
from shortlist.package.layout import scores_file
from shortlist.v1.answer_pb2 import ExplanationLevel, Stage
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest, RecommendResponse
from shortlist.v1.recommendation_pb2_grpc import RecommendationServiceStub
from shortlist_server.catalog.items import open_items

NUM_USERS = 500
MAX_GIVEN = 30


def requests_of(package: Path, arguments: argparse.Namespace) -> list[RecommendRequest]:
    """Users with 1 to 30 items of history, more often those which the package's fallback source scores high."""
    manifest = read_manifest(package)
    catalog = open_items(package, manifest.items)
    weights_N = np.ones(catalog.num_items)
    if manifest.fallback_source:
        scores_N = open_array(package, scores_file(manifest.fallback_source), np.float32, (catalog.num_items,))
        weights_N = scores_N.astype(np.float64) - scores_N.min() + 1e-9
    random = np.random.default_rng(0)
    requests = []
    for number in range(NUM_USERS):
        size = min(int(random.integers(1, MAX_GIVEN + 1)), catalog.num_items)
        rows = random.choice(catalog.num_items, size, replace=False, p=weights_N / weights_N.sum())
        requests.append(
            RecommendRequest(
                user_id=f"bench-{number}",
                history=History(item_ids=catalog.item_ids.take(rows), timestamps=range(1, size + 1)),
                k=arguments.k,
                diversity=Diversity(strength=arguments.diversity),
                explanation_level=f"EXPLANATION_LEVEL_{arguments.explain.upper()}",
            )
        )
    return requests


async def drive(arguments: argparse.Namespace) -> dict[str, object]:
    """Keep `in_flight` requests in flight; measure after the warm-up."""
    latencies_ms: list[float] = []
    stages_us: defaultdict[str, list[int]] = defaultdict(list)
    degraded = 0
    async with aio.insecure_channel(arguments.target) as channel:
        stub = RecommendationServiceStub(channel)
        supply: Iterator[RecommendRequest] = cycle(requests_of(arguments.package, arguments))

        async def caller(num_requests: int) -> None:
            nonlocal degraded
            for _ in range(num_requests):
                started = time.perf_counter()
                reply: RecommendResponse = await stub.Recommend(next(supply))  # type: ignore[misc]
                latencies_ms.append((time.perf_counter() - started) * 1e3)
                degraded += bool(reply.degraded)
                for timing in reply.timings:
                    stages_us[Stage.Name(timing.stage).removeprefix("STAGE_").lower()].append(timing.duration_us)

        async def round_of(num_requests: int) -> None:
            await asyncio.gather(*(caller(num_requests // arguments.in_flight) for _ in range(arguments.in_flight)))

        await round_of(max(arguments.requests // 5, arguments.in_flight))
        latencies_ms.clear()
        stages_us.clear()
        started = time.perf_counter()
        await round_of(arguments.requests)
        elapsed_s = time.perf_counter() - started
    return {
        "in_flight": arguments.in_flight,
        "requests": len(latencies_ms),
        "requests_per_second": len(latencies_ms) / elapsed_s,
        "median_ms": statistics.median(latencies_ms),
        "p99_ms": float(np.percentile(latencies_ms, 99)),
        "degraded": degraded,
        "stage_median_ms": {name: statistics.median(values) / 1e3 for name, values in stages_us.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--diversity", type=float, default=0.0)
    parser.add_argument(
        "--explain", choices=[name[18:].lower() for name in ExplanationLevel.keys()[1:]], default="none"
    )
    print(json.dumps(asyncio.run(drive(parser.parse_args()))))


if __name__ == "__main__":
    main()
