"""What only ours does, beside its own plain search: filters, bias, changes in place; and `topk` beside its peers."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.cases import Case, Float32, Int64, unit_rows
from benchmarks.results import Change, Row, Variant
from benchmarks.timing import Work, interleaved
from shortlist_kernels import VectorIndex, topk

NUM_EXCLUDED = 200
ALLOWED_SHARE = 0.01
BATCH_SHARE = 0.01
NUM_SINGLES = 100
Progress = Callable[[str], None]


def filtered(
    index: VectorIndex, case: Case, queries_QD: Float32, num_threads: int, rounds: int, progress: Progress
) -> list[Variant]:
    """Searches under filters, interleaved with the plain one. The excluded ids are the query's best: the hardest."""
    random = np.random.default_rng(3)
    num_queries = len(queries_QD)
    excluded_QX = index.search(queries_QD, NUM_EXCLUDED, num_threads=num_threads)[1]
    indptr = np.arange(num_queries + 1, dtype=np.int64) * NUM_EXCLUDED
    allowed = np.sort(random.choice(case.num_items, int(case.num_items * ALLOWED_SHARE), replace=False))
    search = partial(index.search, queries_QD, case.k, num_threads=num_threads)
    works: dict[str, Work] = {
        "plain": search,
        "random 50 % mask": partial(search, mask=random.random(case.num_items) < 0.5),
        "allow-list of 1 %": partial(search, allow=allowed),
        f"best {NUM_EXCLUDED} excluded": partial(search, exclude=(indptr, excluded_QX.ravel())),
        "bias": partial(search, bias=random.random(case.num_items, np.float32) * np.float32(0.1)),
    }
    timings = interleaved(works, rounds, progress)
    plain_s = timings["plain"].median_s
    return [
        Variant(name=name, num_queries=num_queries, median_s=timing.median_s, plain_ratio=timing.median_s / plain_s)
        for name, timing in timings.items()
    ]


def changes(index: VectorIndex, case: Case, rounds: int) -> list[Change]:
    """Removals, updates and additions at random, one at a time and many; the index holds the same ids afterwards."""
    size = max(1, int(case.num_items * BATCH_SHARE))
    new_nD = unit_rows(size, case.dim, seed=4)
    ids = np.random.default_rng(5).choice(case.num_items, size, replace=False).astype(np.int64)
    singles = [(ids[i : i + 1], new_nD[i : i + 1]) for i in range(min(size, NUM_SINGLES))]
    seconds: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds + 1):
        for changed in (singles, [(ids, new_nD)]):
            for name in ("update", "remove", "add"):
                taken_s = [_seconds(partial(_change, index, name, *items)) for items in changed]
                if number:  # the first round warms up
                    seconds.setdefault((name, changed[0][0].size), []).extend(taken_s)
    return [
        Change(name=name, num_items=num_items, median_s=statistics.median(taken))
        for (name, num_items), taken in seconds.items()
    ]


def _change(index: VectorIndex, name: str, ids: Int64, vectors_nD: Float32) -> None:
    if name == "remove":
        index.remove(ids)
    else:
        getattr(index, name)(ids, vectors_nD)


def select(num_scores: int, k: int, with_torch: bool, rounds: int, progress: Progress) -> list[Row]:
    """`topk` of one row of scores beside torch.topk and NumPy's partial sort."""
    scores_N = np.random.default_rng(6).standard_normal(num_scores, np.float32)
    works: dict[str, Callable[[], Int64]] = {
        "shortlist": lambda: topk(scores_N, k)[1],
        "numpy": lambda: _numpy_topk(scores_N, k),
    }
    if with_torch:
        import torch

        tensor_N = torch.from_numpy(scores_N)
        works["torch"] = lambda: torch.topk(tensor_N, k).indices.numpy()
    timings = interleaved(works, rounds, progress)
    best_K = scores_N[works["shortlist"]()]
    fastest_s = min(timing.median_s for name, timing in timings.items() if name != "shortlist")
    return [
        Row(
            name=name,
            ours=name == "shortlist",
            exact=True,
            median_s=timing.median_s,
            fastest_s=min(timing.seconds),
            num_calls=len(timing.seconds),
            cores=timing.cores,
            agreement=float((scores_N[works[name]()] == best_K).mean()),
            speed=fastest_s / timing.median_s,
        )
        for name, timing in timings.items()
    ]


def _numpy_topk(scores_N: Float32, k: int) -> Int64:
    found_K = np.argpartition(scores_N, -k)[-k:]
    return found_K[np.argsort(-scores_N[found_K])]


def _seconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
