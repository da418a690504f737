"""The offline judgement of a package: full-ranking metrics of every scorer, with the protocol beside them.

The funnel runs what was exported (onnxruntime) and the kernels: the operations of the server. It is imported when the
data has been checked: until then nothing here takes long to load.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from shortlist_training.data.dataset import Dataset, align
from shortlist_training.data.queries import Task, count_active_users, task_in
from shortlist_training.data.split import GlobalTime, global_time
from shortlist_training.errors import InputError
from shortlist_training.metrics import hits, ndcg, paired_bootstrap, summarise
from shortlist_training.models import Retrieved
from shortlist_training.models.popular import Popular, decayed_counts
from shortlist_training.package import Package

PROTOCOLS: dict[str, Callable[..., GlobalTime]] = {"global_time": global_time}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The funnel against the best single source: mean difference of NDCG and its 95 % interval over users."""

    best_source: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Metrics by scorer, and the protocol they hold for.

    Attributes:
        num_users: who count: they have a history and take a new item in the period.
        num_active_users: who would count if every event but a dislike were a target.
        num_unknown_targets: items taken that the package does not know.
    """

    package_id: str
    protocol: dict[str, object]
    num_users: int
    num_active_users: int
    num_unknown_targets: int
    results: dict[str, dict[str, float]]
    comparison: Comparison


def find_protocol(name: str) -> Callable[..., GlobalTime]:
    """Return the protocol of that name; InputError lists the names where there is none."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is unknown; there are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def evaluate(package: Package, dataset: Dataset, *, protocol: str, cutoff: int, seed: int) -> Report:
    """Judge a package on the test period of the data.

    Raises:
        InputError: unknown protocol, a package that was trained on the test period, or nobody to judge it by.
    """
    agreed = find_protocol(protocol)(dataset, cutoff=cutoff, seed=seed)
    train_until = package.manifest["data"]["train_until"]
    if train_until > agreed.test_start:
        raise InputError(
            f"{package.path}: trained on events until {train_until}, but the test period of this data starts at "
            f"{agreed.test_start}: the numbers would leak"
        )
    num_known = package.items.height
    aligned = align(dataset, package.items)
    task = task_in(aligned, agreed.test, package.manifest["max_history"], num_known=num_known)
    if not len(task):
        raise InputError(
            f"{dataset.description.name}: nobody with a history takes a new item in the test period "
            f"(target: {agreed.target})"
        )
    ranked = _rank_all(package, aligned, agreed, task)
    results = {name: summarise(rows_BK, task.targets, num_known, cutoff) for name, (_, rows_BK) in ranked.items()}
    return Report(
        package_id=package.manifest["package_id"],
        protocol=agreed.describe(agreed.test),
        num_users=len(task),
        num_active_users=count_active_users(aligned, agreed.test, num_known),
        num_unknown_targets=int((task.targets.rows >= num_known).sum()),
        results=results,
        comparison=_compare(ranked, results, task, agreed),
    )


def _rank_all(package: Package, dataset: Dataset, protocol: GlobalTime, task: Task) -> dict[str, Retrieved]:
    """The ranking of every scorer: single sources, then the fusion, then the funnel."""
    from shortlist_training.open_package import open_funnel

    funnel = open_funnel(package)
    retrieved = funnel.retrieve(task.queries)
    named = {source.name: lists for source, lists in zip(funnel.sources, retrieved, strict=True)}
    window_s = protocol.test_start - protocol.validation_start
    recent = Popular(_counts_within(dataset, protocol.test_start, window_s)[: package.items.height])
    named["recent_popular"] = recent.retrieve(task.queries, funnel.num_candidates, funnel.allowed_N)
    fused = funnel.fuse(retrieved)
    single: dict[str, Retrieved] = {name: named[name] for name in sorted(named, key=_place)}
    return {**single, "fused": fused, "funnel": funnel.order(task.queries, fused)}


def _place(scorer: str) -> int:
    """Baselines first, then what should beat them."""
    order = ("popular", "recent_popular", "item_neighbours", "two_tower")
    return order.index(scorer) if scorer in order else len(order)


def _counts_within(dataset: Dataset, cut: int, window_s: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Events per item in the `window_s` seconds before the cut."""
    everything = decayed_counts(dataset, cut, np.inf)
    counts: np.ndarray[tuple[int], np.dtype[np.float64]] = everything - decayed_counts(dataset, cut - window_s, np.inf)
    return counts


def _compare(
    ranked: Mapping[str, Retrieved], results: Mapping[str, Mapping[str, float]], task: Task, protocol: GlobalTime
) -> Comparison:
    metric = f"ndcg@{protocol.cutoff}"
    single = [name for name in results if name not in ("fused", "funnel")]
    best = max(single, key=lambda name: results[name][metric])
    funnel_B, best_B = (
        ndcg(hits(ranked[name][1][:, : protocol.cutoff], task.targets), task.targets.lengths())
        for name in ("funnel", best)
    )
    low, high = paired_bootstrap(funnel_B - best_B, seed=protocol.seed)
    return Comparison(best_source=best, difference=float((funnel_B - best_B).mean()), low=low, high=high)
