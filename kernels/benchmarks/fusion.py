"""Fusion of ranked lists beside ranx, which compiles with Numba, and the reference in NumPy.

All read lists that were made before: ours arrays, ranx its own runs, which hold ids as strings. ranx gives all items
of the lists, so that ours is timed with that many results as well as with the best of them. A place of an answer
agrees where the score there is ours within rounding, and the item has that score by ours.
"""

import importlib.util
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.race import OURS, Race, share_equal
from benchmarks.timing import Work
from shortlist_kernels import available_cores, dispatch, fuse
from shortlist_kernels.arrays import Float32, Int64

NUM_LISTS, NUM_USERS, LENGTH, SHORT_LENGTH, K = 5, 64, 1000, 100, 100
ITEMS_PER_ENTRY = 3  # lists draw from three times as many items as each holds, so that most have some in common
WEIGHTS = (1.0, 0.8, 0.6, 0.4, 0.2)
ROUNDING = 1e-6


class Task(NamedTuple):
    """A way to fuse, by our names and by those of ranx."""

    words: str
    ours: dict[str, Any]
    ranx: dict[str, Any]


RRF = Task("RRF", {"method": "rrf"}, {"norm": None, "method": "rrf"})
WEIGHTED = Task(
    "Weighted sum after min-max",
    {"method": "weighted", "norm": "minmax", "weights": WEIGHTS},
    {"norm": "min-max", "method": "wsum", "params": {"weights": WEIGHTS}},
)
BORDA = Task("Borda", {"method": "borda"}, {"norm": None, "method": "bordafuse"})


class Lists(NamedTuple):
    """For each list the ids and descending scores (Q, K)."""

    ids: list[Int64]
    scores: list[Float32]


def races(quick: bool) -> Iterator[Race]:
    users, length, short = (4, 50, 20) if quick else (NUM_USERS, LENGTH, SHORT_LENGTH)
    lists = random_lists(users, length)
    yield race(RRF, lists, K)
    yield race(RRF, lists, NUM_LISTS * length)
    yield race(WEIGHTED, lists, K)
    yield race(RRF, random_lists(1, short), K)
    yield race(BORDA, random_lists(users, short), K)  # ranx's Borda takes time by the square of the length


def random_lists(num_users: int, length: int) -> Lists:
    random = np.random.default_rng(7)
    pool = ITEMS_PER_ENTRY * length
    shape = NUM_LISTS, num_users, length
    ids_SQK = np.argsort(random.random((NUM_LISTS, num_users, pool)), axis=-1)[..., :length]
    scores_SQK = -np.sort(-random.random(shape, np.float32), axis=-1)
    return Lists(list(ids_SQK), list(scores_SQK))


def race(task: Task, lists: Lists, k: int) -> Race:
    users, length = lists.ids[0].shape
    exact = {OURS: partial(fuse, *lists, k, **task.ours)}
    if users > 1 and available_cores() > 1:
        exact[f"{OURS}, 1 thread"] = partial(fuse, *lists, k, num_threads=1, **task.ours)
    exact["numpy (the reference)"] = partial(_by_reference, task, lists, k)
    scores, ids = fuse(*lists, k, **task.ours)
    works: dict[str, Work] = dict(exact)
    agreements = {name: share_equal((scores, ids), work()) for name, work in exact.items()}
    if importlib.util.find_spec("ranx"):
        runs = _runs(lists)
        works["ranx"] = partial(_by_ranx, task, runs)
        agreements["ranx"] = agreement(task, lists, scores, *_arrays(_by_ranx(task, runs), ids.shape))
    asked = "all items" if k >= NUM_LISTS * length else f"the best {k}"
    who = f"{users:,} users" if users > 1 else "one user"
    return Race(
        title=f"{task.words} of {NUM_LISTS} lists of {length:,} for {who}, {asked}", works=works, agreement=agreements
    )


def agreement(task: Task, lists: Lists, ours_QK: Float32, scores_QK: Float32, ids_QK: Int64) -> float:
    """The share of the places of our answer that another one fills as well; of an item that comes twice, the first."""
    num_results = sum(ids.shape[1] for ids in lists.ids)
    all_scores, all_ids = fuse(*lists, num_results, **task.ours)
    agreed = np.zeros(ids_QK.shape, np.bool_)
    for query, ids in enumerate(ids_QK):
        known = dict(zip(all_ids[query].tolist(), all_scores[query].tolist(), strict=True))
        by_ours = np.array([known.get(item, np.nan) for item in ids.tolist()])
        agreed[query] = np.isclose(scores_QK[query], ours_QK[query], ROUNDING, 0.0)
        agreed[query] &= np.isclose(by_ours, ours_QK[query], ROUNDING, 0.0)
        is_first = np.zeros(ids.size, np.bool_)
        is_first[np.unique(ids, return_index=True)[1]] = True
        agreed[query] &= is_first | (ids == -1)
    return float(agreed.mean())


def _by_reference(task: Task, lists: Lists, k: int) -> tuple[Float32, Int64]:
    with dispatch.using("reference"):
        return fuse(*lists, k, **task.ours)


def _runs(lists: Lists) -> list[Any]:
    """The lists as ranx holds them."""
    from ranx import Run

    return [
        Run.from_dict(
            {
                str(query): {str(item): score for item, score in zip(ids.tolist(), scores.tolist(), strict=True)}
                for query, (ids, scores) in enumerate(zip(ids_QK, scores_QK, strict=True))
            }
        )
        for ids_QK, scores_QK in zip(*lists, strict=True)
    ]


def _by_ranx(task: Task, runs: list[Any]) -> Any:
    from ranx import fuse as fuse_runs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its compilation
        return fuse_runs(list(runs), **task.ranx)  # the list is changed


def _arrays(run: Any, shape: tuple[int, ...]) -> tuple[Float32, Int64]:
    """The best of a run as `fuse` returns them."""
    scores_QK, ids_QK = np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)
    for query in range(shape[0]):
        best = list(run.run[str(query)].items())[: shape[1]]
        ids_QK[query, : len(best)] = [int(item) for item, _ in best]
        scores_QK[query, : len(best)] = [score for _, score in best]
    return scores_QK, ids_QK
