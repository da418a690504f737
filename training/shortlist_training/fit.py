"""The order of training.

1. On validation (the window before the test period) choose the half-life of popularity and the settings of item kNN.
2. Fit the two towers up to the first of a few windows, stopping early on it; then go on to each later cut (refit).
3. On validation choose the weights of the fusion.
4. Learn the ranker on the users of the earlier windows, with candidates and scores of sources that were fitted before
   each window: it sees what it will see in service, and no source has seen what its users took. Stop on validation.
5. Refit the sources up to the cut of the package, and write it.

Nothing before `train_until` is chosen by anything after it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import histories_before, history_features, seen_before
from shortlist_training.data.queries import Queries, Task
from shortlist_training.data.split import GlobalTime
from shortlist_training.export import Fitted, write_package
from shortlist_training.funnel import Funnel, Rank
from shortlist_training.loop import Loop
from shortlist_training.metrics import mean_ndcg, summarise
from shortlist_training.models import Retrieved, item_neighbours, popular, ranker, two_tower
from shortlist_training.models.two_tower.text import text_table
from shortlist_training.models.two_tower.training import Towers
from shortlist_training.package import Draft
from shortlist_training.plan import Plan
from shortlist_training.recipes import Recipe
from shortlist_training.run_directory import CHECKPOINTS

# A source that answers a cold start must keep some weight, or nothing would be left for a user without history.
_POPULAR_WEIGHTS = (0.05, 0.15, 0.3)
_TOWER_SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)
_NUM_SAMPLE_USERS = 512


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """The sources as fitted before one moment, with the tables that the ranker needs of it."""

    funnel: Funnel
    towers: two_tower.FittedTowers
    tables: ranker.ItemTables


@dataclass(slots=True)
class _Run:
    """What all steps of one training share."""

    dataset: Dataset
    recipe: Recipe
    protocol: GlobalTime
    loop: Loop
    half_life_s: float
    neighbours: item_neighbours.Choice
    weights: tuple[float, ...]

    @property
    def window_s(self) -> int:
        return self.protocol.test_start - self.protocol.validation_start

    def say(self, text: str) -> None:
        self.loop.console.print(text, highlight=False, soft_wrap=True)


def train(plan: Plan, console: Console) -> str:
    """Train everything and write the package `plan.out`; returns its package id.

    With `plan.resume` the run found in the log directory goes on.
    """
    dataset, recipe, protocol, tasks = plan.dataset, plan.recipe, plan.protocol, plan.tasks
    torch.set_num_threads(recipe.num_threads)
    loop = Loop(log_dir=plan.log_dir, seed=plan.seed, resume=plan.resume, console=console)
    run = _choose_sources(dataset, recipe, protocol, loop, tasks[-1])
    towers, cuts = _fit_cuts(run, tasks)
    run.weights = _choose_weights(run, cuts[-1].funnel, tasks[-1])
    cuts = [replace(cut, funnel=replace(cut.funnel, weights=run.weights)) for cut in cuts]
    fitted_ranker, evaluation = _fit_ranker(run, cuts, tasks)
    last = _fit_cut(run, plan.train_until, towers, None, "package")
    fitted = Fitted(
        dataset=dataset,
        recipe=recipe,
        train_until=plan.train_until,
        funnel=last.funnel,
        user_tower=last.towers.graph,
        ranker=fitted_ranker.export(last.tables),
        evaluation=[evaluation],
        queries=_sample_queries(dataset, plan.train_until, recipe.max_history, plan.seed),
    )
    run.say("export")
    with Draft(plan.out) as draft:
        return write_package(fitted, draft, console)


def _choose_sources(dataset: Dataset, recipe: Recipe, protocol: GlobalTime, loop: Loop, validation: Task) -> _Run:
    span_s = protocol.validation_start - int(dataset.timestamps[0])
    half_life_s = popular.choose_half_life(dataset, validation, span_s, recipe.popular, recipe.cutoff)
    choice, _ = item_neighbours.choose(dataset, validation, span_s, recipe.item_neighbours, recipe.cutoff)
    run = _Run(dataset, recipe, protocol, loop, half_life_s, choice, (0.45, 0.45, 0.1))
    run.say(f"popular: half-life {half_life_s / 86400:.1f} days")
    run.say(
        f"item_neighbours: half-life of interactions {choice.half_life_s / 86400:.1f} days, "
        f"shrinkage {choice.shrinkage:g}, history decay {choice.history_decay:g}"
    )
    return run


def _fit_cuts(run: _Run, tasks: Sequence[Task]) -> tuple[Towers, list[_Cut]]:
    """The sources before each task's window; the towers go on from cut to cut, so their vectors stay comparable."""
    settings = run.recipe.two_tower
    torch.manual_seed(run.loop.seed)
    text = text_table(run.dataset.items, settings.text_buckets, settings.text_tokens)
    towers = Towers(run.dataset.num_items, text, run.recipe)
    cuts = [
        _fit_cut(run, task.window.start, towers, task if position == 0 else None, task.window.name)
        for position, task in enumerate(tasks)
    ]
    return towers, cuts


def _fit_cut(run: _Run, cut: int, towers: Towers, task: Task | None, name: str) -> _Cut:
    dataset, recipe = run.dataset, run.recipe
    run.say(f"sources for {name}: {dataset.until(cut):,} events before {cut}")
    directory = run.loop.log_dir / CHECKPOINTS / f"two_tower-{name}"
    fitted = two_tower.fit(dataset, cut, towers, recipe, run.loop, directory, task)
    funnel = Funnel(
        sources=(
            fitted.source,
            item_neighbours.fit(dataset, cut, recipe.item_neighbours, run.neighbours),
            popular.fit(dataset, cut, run.half_life_s),
        ),
        weights=run.weights,
        num_candidates=min(recipe.num_candidates, dataset.num_items),
        allowed_N=dataset.items["available"].to_numpy(),
    )
    vectors_ND = fitted.source.vectors_ND
    tables = ranker.item_tables(dataset, cut, run.window_s, vectors_ND, fitted.text_vectors_ND)
    return _Cut(funnel, fitted, tables)


def _choose_weights(run: _Run, funnel: Funnel, validation: Task) -> tuple[float, ...]:
    """The fusion weights (two_tower, item_neighbours, popular) with the best NDCG on validation."""
    retrieved = funnel.retrieve(validation.queries)

    def quality(weights: tuple[float, ...]) -> float:
        _, rows_BC = funnel.fuse(retrieved, weights)
        return mean_ndcg(rows_BC, validation.targets, run.recipe.cutoff)

    candidates = [
        (round(share * (1 - rest), 4), round((1 - share) * (1 - rest), 4), rest)
        for rest, share in itertools.product(_POPULAR_WEIGHTS, _TOWER_SHARES)
    ]
    best = max(candidates, key=quality)
    run.say(f"fusion: two_tower {best[0]:g}, item_neighbours {best[1]:g}, popular {best[2]:g}")
    return best


def _fit_ranker(run: _Run, cuts: Sequence[_Cut], tasks: Sequence[Task]) -> tuple[ranker.Ranker, dict[str, object]]:
    """The ranker, and what all scorers reach on validation."""
    run.say("ranker")
    lists = [cut.funnel.retrieve(task.queries) for cut, task in zip(cuts, tasks, strict=True)]
    fused = [cut.funnel.fuse(retrieved) for cut, retrieved in zip(cuts, lists, strict=True)]
    stacked = [
        ranker.stack(task, rows_BC, cut.funnel.scores(task.queries, rows_BC), cut.tables)
        for cut, task, (_, rows_BC) in zip(cuts, tasks, fused, strict=True)
    ]
    earlier = stacked[:-1]
    if not earlier:
        run.say("  too little time before validation: the ranker learns from the validation window itself")
        earlier = stacked
    directory = run.loop.log_dir / CHECKPOINTS / "ranker"
    fitted = ranker.fit(earlier, stacked[-1], run.weights, run.recipe, run.loop, directory)
    ranked = replace(cuts[-1].funnel, rank=_in_torch(fitted, cuts[-1].tables)).order(tasks[-1].queries, fused[-1])
    named: dict[str, Retrieved] = {
        source.name: retrieved for source, retrieved in zip(cuts[-1].funnel.sources, lists[-1], strict=True)
    }
    results = _results({**named, "fused": fused[-1], "funnel": ranked}, tasks[-1], run)
    run.say(f"ranker: expected calibration error {fitted.calibration_error:.4f} on validation")
    return fitted, {"protocol": run.protocol.describe(run.protocol.validation), "results": results}


def _results(named: Mapping[str, Retrieved], task: Task, run: _Run) -> list[dict[str, object]]:
    cutoff, num_items = run.recipe.cutoff, run.dataset.num_items
    results: list[dict[str, object]] = []
    for scorer, (_, rows_BK) in named.items():
        metrics = summarise(rows_BK, task.targets, num_items, cutoff)
        run.say(f"  validation, {len(task)} users: {scorer:<16} NDCG@{cutoff} {metrics[f'ndcg@{cutoff}']:.4f}")
        results.append({"scorer": scorer, "metrics": metrics})
    return results


def _in_torch(fitted: ranker.Ranker, tables: ranker.ItemTables) -> Rank:
    graph = fitted.export(tables)

    def rank(
        items_BL: NDArray[np.int64],
        recency_BL: NDArray[np.float32],
        candidates_BC: NDArray[np.int64],
        scores_BCS: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        inputs = [torch.from_numpy(array) for array in (items_BL, recency_BL, candidates_BC, scores_BCS)]
        with torch.no_grad():
            parts = [
                graph(*part)[:, :, 0] for part in zip(*(torch.split(tensor, 64) for tensor in inputs), strict=True)
            ]
        values_BC: NDArray[np.float32] = torch.cat(parts).numpy()
        return values_BC

    return rank


def _sample_queries(dataset: Dataset, cut: int, max_history: int, seed: int) -> Queries:
    """Some users with a history before the cut, drawn with the seed."""
    histories = histories_before(dataset, cut)
    users = np.flatnonzero(np.diff(histories.indptr) > 0)
    users = np.random.default_rng(seed).permutation(users)[:_NUM_SAMPLE_USERS]
    items_BL, recency_BL = history_features(histories, users, max_history)
    return Queries(items_BL, recency_BL, seen_before(dataset, cut).take(users))
