"""The funnel: one function that reads like the way of a request, over a batch of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from shortlist.v1.answer_pb2 import PackageVersion, RankedItem
from shortlist.v1.recommendation_pb2 import RankRequest, RankResponse, RecommendRequest, RecommendResponse
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.batch import Batch, Candidates, Profiles, Ranking, Retrieved
from shortlist_server.pipeline.decode import decode
from shortlist_server.pipeline.encode import encode, encode_degraded, encode_item_errors, encode_timings
from shortlist_server.pipeline.explain import Explainer, explain
from shortlist_server.pipeline.filter import filter_items
from shortlist_server.pipeline.fuse import fuse
from shortlist_server.pipeline.ladder import SKIPPED, Level, StageCosts, choose_level
from shortlist_server.pipeline.profile import profile
from shortlist_server.pipeline.query import Defaults, Query
from shortlist_server.pipeline.rerank import rerank
from shortlist_server.pipeline.retrieve import retrieve
from shortlist_server.pipeline.score import Ranker, score
from shortlist_server.pipeline.sources import Source, build_sources
from shortlist_server.pipeline.sources.popular import Popular
from shortlist_server.pipeline.stopwatch import Stopwatch
from shortlist_server.pipeline.task import Task, late
from shortlist_server.pipeline.variety import Variety
from shortlist_server.state.store import Store

Request = RecommendRequest | RankRequest
Reply = RecommendResponse | RankResponse


class Found(NamedTuple):
    """What the first half of the funnel hands to the second."""

    profiles: Profiles
    retrieved: Retrieved
    candidates: Candidates


class Pipeline:
    """The whole funnel over one package. Safe to run from several threads at once."""

    def __init__(
        self,
        package: Package,
        store: Store | None,
        *,
        costs: StageCosts | None = None,
        sources: Sequence[Source] | None = None,
        num_threads: int = 1,
    ) -> None:
        manifest = package.manifest
        self.package = package
        self.costs = StageCosts() if costs is None else costs
        self.sources = build_sources(package) if sources is None else tuple(sources)
        self._store = store
        self._defaults = Defaults.of(package)
        self._version = PackageVersion(name=manifest.name, id=manifest.package_id)
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="source")
        self._popular = _popular(self.sources, package)
        vectors = package.vectors[manifest.rerank.vectors]
        self._variety = Variety(vectors, package.num_threads)
        ranker = manifest.ranker.model
        self._ranker = Ranker(ranker, package.models[ranker], num_columns=manifest.num_candidates)
        self._explainer = Explainer(
            catalog=package.catalog,
            sources=self.sources,
            popular=self._popular,
            vectors=vectors,
            vectors_source=_source_of_vectors(package),
            heads=[head.name for head in manifest.ranker.heads],
        )

    def run(self, tasks: Sequence[Task[Request]]) -> list[Reply | Exception]:
        """Answer a batch of requests to recommend or rank: a reply, or the error of that request alone, in order.

        A request's answer does not depend on the others, except that time runs for all. Raises nothing but bugs.
        """
        watch = Stopwatch(self.costs, len(tasks))
        with watch.stage("decode"):
            decoded = decode([task.request for task in tasks], self._defaults)
        outcomes: list[Reply | Exception] = [
            outcome if isinstance(outcome, Exception) else late() for outcome in decoded
        ]
        for level, positions in self._rungs(tasks, decoded):
            queries = [query for query in (decoded[position] for position in positions) if isinstance(query, Query)]
            replies = self._run_rung(level, [tasks[position] for position in positions], queries, watch.timings_ns)
            for position, reply in zip(positions, replies, strict=True):
                outcomes[position] = reply
        return outcomes

    def least_s(self) -> float:
        """The shortest time that an answer can take."""
        return self.costs.least_s()

    def close(self) -> None:
        """Stop the threads of the sources."""
        self._executor.shutdown()

    def _rungs(self, tasks: Sequence[Task[Request]], decoded: Sequence[object]) -> list[tuple[Level, list[int]]]:
        """The positions of the good requests by the rung that their deadlines allow, the most urgent first."""
        rungs: dict[Level, list[int]] = defaultdict(list)
        for position, task in enumerate(tasks):
            if isinstance(decoded[position], Query) and not task.deadline.expired():
                rungs[choose_level(self.costs, len(tasks), task.deadline.remaining_s())].append(position)
        return sorted(rungs.items(), reverse=True)

    def find(self, batch: Batch, watch: Stopwatch) -> Found:
        """The first half of the funnel: which items the ranker gets to see."""
        package = self.package
        with watch.stage("profile"):
            profiles = profile(
                batch, store=self._store, catalog=package.catalog, max_history=package.manifest.max_history
            )
        with watch.stage("filter"):
            mask_BI = filter_items(batch, profiles, catalog=package.catalog)
        with watch.stage("retrieve"):
            retrieved = retrieve(batch, profiles, mask_BI, sources=self.sources, executor=self._executor)
        with watch.stage("fuse"):
            candidates = fuse(batch, retrieved, mask_BI, popular=self._popular)
        return Found(profiles, retrieved, candidates)

    def _run_rung(
        self,
        level: Level,
        tasks: Sequence[Task[Request]],
        queries: Sequence[Query],
        decode_ns: Sequence[tuple[str, int]],
    ) -> list[Reply | Exception]:
        batch = Batch(tuple(queries), tuple(task.deadline for task in tasks), level)
        watch = Stopwatch(self.costs, len(queries), before_ns=decode_ns, skipped=SKIPPED[level])
        profiles, retrieved, candidates = self.find(batch, watch)
        with watch.stage("score"):
            scored = score(batch, profiles, candidates, retrieved.asked, sources=self.sources, ranker=self._ranker)
        with watch.stage("rerank"):
            ranking = rerank(batch, scored, variety=self._variety, catalog=self.package.catalog)
        with watch.stage("explain"):
            reasons = explain(batch, profiles, retrieved, scored, ranking, explainer=self._explainer)
        with watch.stage("encode"):
            items = encode(batch, scored, ranking, reasons, catalog=self.package.catalog)
        return self._replies(batch, tasks, items, ranking, watch)

    def _replies(
        self,
        batch: Batch,
        tasks: Sequence[Task[Request]],
        items: Sequence[Sequence[RankedItem]],
        ranking: Ranking,
        watch: Stopwatch,
    ) -> list[Reply | Exception]:
        live = set(batch.live())
        replies: list[Reply | Exception] = []
        for position, task in enumerate(tasks):
            if position not in live:
                replies.append(late())
                continue
            reply: Reply = RecommendResponse()
            if isinstance(task.request, RankRequest):
                reply = RankResponse(item_errors=encode_item_errors(task.request.item_ids, self.package.catalog))
            reply.items.extend(items[position])
            reply.package.CopyFrom(self._version)
            reply.timings.extend(encode_timings(task.queued_ns, watch.timings_ns))
            reply.degraded.extend(encode_degraded(batch.degraded[position]))
            reply.relevance_lost = float(ranking.relevance_lost_B[position])
            replies.append(reply)
        return replies


def _popular(sources: Sequence[Source], package: Package) -> Popular:
    """The package's popular source; one of weight 0 that only fills replies up when it has none."""
    found = [source for source in sources if isinstance(source, Popular)]
    return found[0] if found else Popular("popular", 0.0, package.catalog.popularity)


def _source_of_vectors(package: Package) -> str:
    """The source whose item vectors measure likeness; the name of the space when no source uses it."""
    space = package.manifest.rerank.vectors
    users = [
        source.name for source in package.manifest.sources if source.type == "two_tower" and source.vectors == space
    ]
    return users[0] if users else space
