"""The pipeline: one function that reads like the way of a request, over a batch of them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shortlist_server.batching.deadline import Task, deadline_passed_error
from shortlist_server.batching.levels import SKIPPED, Level, StageCosts, Stopwatch, choose_level
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.decode import Request, decode
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.encode import Reply, encode, version_of
from shortlist_server.pipeline.explain import Explainer, explain
from shortlist_server.pipeline.filter import RuleMasks, filter_items
from shortlist_server.pipeline.fuse import fuse
from shortlist_server.pipeline.profile import max_history_of, profile
from shortlist_server.pipeline.query import Query
from shortlist_server.pipeline.rerank import build_rules, rerank
from shortlist_server.pipeline.retrieve import retrieve, sources_of
from shortlist_server.pipeline.score import score
from shortlist_server.pipeline.types import Batch, Trace
from shortlist_server.state.store import Store


def _now() -> int:
    return int(time.time())


class Pipeline:
    """The whole funnel over one package. Safe to run from several threads at once.

    `num_threads` are those of one kernel call over a batch; what the package holds brings its own. `now` gives the
    time, in seconds since the epoch, for requests that name none.
    """

    def __init__(
        self,
        package: Package,
        store: Store | None,
        *,
        costs: StageCosts | None = None,
        num_threads: int = 1,
        now: Callable[[], int] = _now,
    ) -> None:
        manifest = package.manifest
        space = package.spaces[manifest.rerank.space] if manifest.HasField("rerank") else None
        self.package = package
        self.costs = StageCosts() if costs is None else costs
        self.defaults = Defaults.of(package)
        self._store = store
        self._now = now
        self._num_threads = num_threads
        self._executor = ThreadPoolExecutor(len(package.sources), thread_name_prefix="source")
        self._max_history = max_history_of(package)
        self._masks = RuleMasks(package.catalog)
        self._sources = sources_of(package, self._executor)
        self._rules = build_rules(package.catalog, space, num_threads)
        self._explainer = Explainer(
            sources=package.sources,
            fallback=self._sources.fallback,
            space=space,
            heads=tuple(self.defaults.head_weights),
        )
        self._version = version_of(manifest)

    def run(self, tasks: Sequence[Task[Request]]) -> list[Reply | Exception]:
        """Answer a batch of requests to recommend or rank: a reply, or the error of that request alone, in order.

        A request's answer does not depend on the others, except that time runs for all. Raises nothing but bugs.
        """
        watch = Stopwatch(self.costs, len(tasks))
        with watch.stage("decode"):
            decoded = decode([task.request for task in tasks], self.defaults, self._now())
        outcomes: list[Reply | Exception] = [
            one if isinstance(one, Exception) else deadline_passed_error() for one in decoded
        ]
        for level, queries in self._by_level(tasks, decoded):
            batch = Batch(
                tuple(queries.values()),
                tuple(tasks[index].deadline for index in queries),
                level,
                tuple(tasks[index].queued_ns for index in queries),
            )
            replies, _ = self.answer(batch, watch.timings_ns)
            for index, reply in zip(queries, replies, strict=True):
                outcomes[index] = reply
        return outcomes

    def answer(self, batch: Batch, decode_ns: Sequence[tuple[str, int]] = ()) -> tuple[list[Reply | Exception], Trace]:
        """The way of decoded requests that share a level, to whole replies; what the stages found comes beside them.

        `decode_ns` are the timings of decoding, as a Stopwatch has them.
        """
        package, sources = self.package, self._sources
        watch = Stopwatch(self.costs, len(batch), before_ns=decode_ns, skipped=SKIPPED[batch.level])
        with watch.stage("profile"):
            profiles = profile(batch, store=self._store, catalog=package.catalog, max_history=self._max_history)
        with watch.stage("filter"):
            allowed = filter_items(batch, profiles, masks=self._masks)
        with watch.stage("retrieve"):
            retrieved = retrieve(batch, profiles, allowed, sources=sources)
        with watch.stage("fuse"):
            candidates = fuse(batch, profiles, allowed, retrieved, sources=sources, num_threads=self._num_threads)
        with watch.stage("score"):
            scored = score(batch, profiles, candidates, retrieved, sources=sources, ranker=package.ranker)
        with watch.stage("rerank"):
            ranking = rerank(batch, profiles, scored, rules=self._rules)
        with watch.stage("explain"):
            reasons = explain(batch, profiles, retrieved, scored, ranking, explainer=self._explainer)
        with watch.stage("encode"):
            found = Trace(retrieved, candidates, scored, ranking)
            replies = encode(
                batch, found, reasons, catalog=package.catalog, version=self._version, timings_ns=watch.timings_ns
            )
        return replies, found

    def least_s(self) -> float:
        """The shortest time that an answer can take."""
        return self.costs.least_s()

    def close(self) -> None:
        """Stop the threads of the sources."""
        self._executor.shutdown()

    def _by_level(
        self, tasks: Sequence[Task[Request]], decoded: Sequence[object]
    ) -> list[tuple[Level, dict[int, Query]]]:
        """The good requests, by their indices, for each level that deadlines allow, the most urgent level first."""
        levels: dict[Level, dict[int, Query]] = defaultdict(dict)
        for index, (task, query) in enumerate(zip(tasks, decoded, strict=True)):
            if isinstance(query, Query) and not task.deadline.expired():
                level = choose_level(self.costs, len(tasks), task.deadline.remaining_s())
                levels[level][index] = query
        return sorted(levels.items(), key=lambda item: item[0], reverse=True)
