"""The offline judgement of a package: full-ranking metrics of every scorer, with the protocol beside them.

The funnel runs what was exported (onnxruntime) and the kernels: the operations of the server. It is imported when the
data has been checked: until then nothing here takes long to load. No family is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shortlist_training.data.dataset import align
from shortlist_training.errors import InputError

if TYPE_CHECKING:
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.queries import Queries, Split
    from shortlist_training.funnel import Funnel
    from shortlist_training.open_package import Package
    from shortlist_training.protocols.protocol import Protocol
    from shortlist_training.sources.kinds import Retrieved


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
    fingerprint: str
    protocol: dict[str, object]
    num_users: int
    num_active_users: int
    num_unknown_targets: int
    results: dict[str, dict[str, float]]
    comparison: Comparison


def evaluate(package: Package, dataset: Dataset, protocol: Protocol, *, cutoff: int, seed: int) -> Report:
    """Judge a package on the test split of the data; `seed` is that of the bootstrap.

    Raises:
        InputError: a package that was trained on the test period, or nobody to judge it by.
        PackageError: a file of the package is not what it should be.
    """
    aligned = align(dataset, package.item_ids.take(range(package.num_items)))
    split = protocol.test(aligned, package.num_items)
    _check(package, dataset, split)
    # Imported here, as it loads the kernels: a mistake is answered before that.
    from shortlist_training.evaluation.metrics import summarise

    targets = split.task.targets
    ranked = _rank_all(package, split, cutoff)
    return Report(
        package_id=package.manifest.id,
        fingerprint=dataset.fingerprint,
        protocol={**protocol.describe(dataset), "split": split.name, "cutoff": cutoff, "seed": seed},
        num_users=len(split.task),
        num_active_users=protocol.num_active_users(aligned, package.num_items),
        num_unknown_targets=int((targets.rows >= package.num_items).sum()),
        results={name: summarise(lists, targets, package.num_items, cutoff) for name, lists in ranked.items()},
        comparison=_compare([source.name for source in package.manifest.sources], ranked, split, cutoff, seed),
    )


def _check(package: Package, dataset: Dataset, split: Split) -> None:
    train_until = package.manifest.data.train_until
    if train_until > split.train.as_of:
        raise InputError(
            f"{package.path}: trained on events until {train_until}, but the test period of this data starts at "
            f"{split.train.as_of}: the numbers would leak"
        )
    if not len(split.task):
        raise InputError(
            f"{dataset.description.name}: nobody with a history takes a new item in the test period "
            f"(target: {dataset.target_words})"
        )


def _rank_all(package: Package, split: Split, cutoff: int) -> dict[str, Retrieved]:
    """The ranking of every scorer: single sources and baselines, then the fusion, then the whole funnel."""
    from shortlist_training.evaluation.baselines import baselines
    from shortlist_training.open_package import open_funnel

    funnel, queries = open_funnel(package), split.task.queries
    lists = funnel.retrieve(queries)
    fused = funnel.fuse(lists)
    others = baselines(split.train, package.num_items)
    single = replace(funnel, sources={**funnel.sources, **others})
    names = [name for name, source in single.sources.items() if source.retrieves]
    ranked = {name: _with_whole_ties(single, name, queries, cutoff) for name in names}
    return {**ranked, "fused": fused, "funnel": funnel.order(queries, fused)}


def _with_whole_ties(funnel: Funnel, name: str, queries: Queries, cutoff: int) -> Retrieved:
    """A source's lists, long enough to hold all items that tie with one of the first `cutoff`."""
    num_items, length = len(funnel.allowed_N), funnel.num_candidates
    while True:
        scores_BK, rows_BK = funnel.retrieve_from(name, queries, length)
        place = min(cutoff, length) - 1
        is_cut_off = (scores_BK[:, place] == scores_BK[:, -1]) & (rows_BK[:, -1] >= 0)
        if length >= num_items or not is_cut_off.any():
            return scores_BK, rows_BK
        length = min(4 * length, num_items)


def _compare(
    sources: Sequence[str], ranked: Mapping[str, Retrieved], split: Split, cutoff: int, seed: int
) -> Comparison:
    """The funnel against the best of the package's sources that retrieve."""
    from shortlist_training.evaluation.metrics import paired_bootstrap, user_ndcg

    targets = split.task.targets
    by_name = {name: user_ndcg(ranked[name], targets, cutoff) for name in sources if name in ranked}
    best = max(by_name, key=lambda name: float(by_name[name].mean()))
    differences_B = user_ndcg(ranked["funnel"], targets, cutoff) - by_name[best]
    low, high = paired_bootstrap(differences_B, seed=seed)
    return Comparison(best_source=best, difference=float(differences_B.mean()), low=low, high=high)
