"""The order of training.

1. Choose the settings that a recipe leaves open.
2. Fit the sources before the first of a few windows, stopping early on it; then go on to each later one (refit).
3. Choose the weights of the fusion.
4. Learn the ranker on the users of all these windows, with candidates and scores of sources that were fitted before
   each window: it sees what it will see in service, and no source has seen what its users took.
5. Calibrate, judge and, at the gates, refuse on users on whom nothing was chosen.
6. Refit the sources on all that the package may know, and write it.

No family is known here, and nothing holds what it may not see: every split brings its own, cut-down data.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.console import Console

from shortlist_training import gates
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Split
from shortlist_training.evaluation.metrics import summarise
from shortlist_training.export import Trained, write_package
from shortlist_training.funnel import Funnel, order_by
from shortlist_training.fusion import Fusable, choose_weights
from shortlist_training.grids import choose_settings
from shortlist_training.models import find_family
from shortlist_training.models.family import Model, RankerModel, Run
from shortlist_training.models.stacking import Stacked, stack
from shortlist_training.plan import Plan
from shortlist_training.recipes import Part
from shortlist_training.sources.kinds import Retrieved


def train(plan: Plan, console: Console) -> str:
    """Train everything and write the package `plan.out`; returns its package id.

    With `plan.resume` the run found in the log directory goes on.

    Raises:
        GateError: a model or the whole is not good enough to be published.
        PackageError: the package cannot be written.
    """
    started = time.monotonic()
    with _torch_as_before(), torch.random.fork_rng(devices=()):
        torch.set_num_threads(plan.recipe.budget.num_threads)
        trained = _Training(plan, console).run()
        console.print("export", highlight=False)
        return write_package(trained, started, console)


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """The sources as fitted before one split, and what they retrieve for its users."""

    split: Split
    models: list[Model]
    funnel: Funnel
    lists: Mapping[str, Retrieved]

    def stacked(self, weights: Sequence[float]) -> Stacked:
        """The split's users with the candidates under these weights of the fusion."""
        return stack(self.split, replace(self.funnel, weights=weights), self.models, self.lists)


class _Training:
    """One training run: what was chosen so far, and the steps in their order."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.console = console
        self.settings: dict[str, Any] = {}
        self.notes: dict[str, dict[str, Any]] = {part.name: {} for part in plan.recipe.parts}

    def run(self) -> Trained:
        splits = self.plan.splits
        self._choose_settings()
        stages = self._fit_stages(splits.choosing if self.recipe.ranker else [splits.validation])
        weights = self._choose_weights(stages)
        calibration = self._stage(splits.calibration, stages[-1].models).stacked(weights)
        ranker = self._fit_ranker([stage.stacked(weights) for stage in stages], calibration)
        results = self._judge(calibration, ranker)
        models = self._fit_sources(splits.refit, "package", None, stages[-1].models)
        return Trained(
            plan=self.plan,
            models=models,
            funnel=replace(self._funnel(models), weights=weights),
            ranker=ranker,
            notes=self.notes,
            results=results,
        )

    def _choose_settings(self) -> None:
        for part in self.recipe.sources:
            with self._timed(part):
                settings, chosen = choose_settings(part, self.plan.splits.choosing, self._run_of(part, "grid"))
            self.settings[part.name] = settings
            self.notes[part.name]["chosen"] = chosen

    def _fit_stages(self, splits: Sequence[Split]) -> list[_Stage]:
        """The sources before each split; the first one they may stop on, from there they go on from stage to stage."""
        stages: list[_Stage] = []
        for split in splits:
            models = self._fit_sources(
                split.train, split.name, None if stages else split, stages[-1].models if stages else None
            )
            stages.append(self._stage(split, models))
        return stages

    def _stage(self, split: Split, models: list[Model]) -> _Stage:
        funnel = self._funnel(models)
        return _Stage(split, models, funnel, funnel.retrieve(split.task.queries))

    def _fit_sources(
        self, train: Dataset, name: str, validation: Split | None, previous: Sequence[Model] | None
    ) -> list[Model]:
        self._say(f"sources for {name}: {train.num_events:,} events before {train.as_of}")
        models = []
        for place, part in enumerate(self.recipe.sources):
            run = self._run_of(part, name, previous[place] if previous else None)
            with self._timed(part):
                models.append(find_family(part.family).fit(train, self.settings[part.name], run, validation))
        return models

    def _choose_weights(self, stages: Sequence[_Stage]) -> tuple[float, ...]:
        fusable = [Fusable(stage.funnel, stage.lists, stage.split.task) for stage in stages]
        weights = choose_weights(fusable, self.recipe.cutoff)
        by = f"ndcg@{self.recipe.cutoff} on {', '.join(stage.split.name for stage in stages)}"
        for part, weight in zip(self.recipe.sources, weights, strict=True):
            self.notes[part.name]["weight"] = {"value": weight, "by": by}
        named = zip(self.recipe.sources, weights, strict=True)
        self._say("fusion: " + ", ".join(f"{part.name} {weight:.3g}" for part, weight in named))
        return weights

    def _fit_ranker(self, stacks: Sequence[Stacked], calibration: Stacked) -> RankerModel | None:
        """The ranker, if there is one."""
        part = self.recipe.ranker
        if part is None:
            return None
        self._say("ranker")
        with self._timed(part):
            run = self._run_of(part, "windows")
            ranker: RankerModel = find_family(part.family).fit(stacks, part.settings, run, calibration)
        return ranker

    def _judge(self, stacked: Stacked, ranker: RankerModel | None) -> dict[str, dict[str, float]]:
        """What all scorers reach for users on whom nothing was chosen; GateError where the whole is not good enough."""
        whole = stacked.fused if ranker is None else order_by(ranker.score(stacked), stacked.rows_BC)
        ranked = {**stacked.lists, "fused": stacked.fused, "funnel": whole}
        targets, cutoff = stacked.split.task.targets, self.recipe.cutoff
        num_items = self.plan.dataset.num_items
        results = {name: summarise(lists, targets, num_items, cutoff) for name, lists in ranked.items()}
        for name, metrics in results.items():
            quality = metrics[f"ndcg@{cutoff}"]
            self._say(f"  {stacked.split.name}, {len(stacked)} users: {name:<16} NDCG@{cutoff} {quality:.4f}")
        gates.check_not_worse(whole, stacked.lists, targets, cutoff, self.plan.seed)
        if ranker is not None:
            self._say(f"ranker: expected calibration error {ranker.calibration_error:.4f} on unseen users")
            gates.check_calibration(ranker.calibration_error)
        return results

    def _funnel(self, models: Sequence[Model]) -> Funnel:
        dataset = self.plan.dataset
        return Funnel(
            sources={model.name: model.source for model in models},
            weights=(1.0,) * len(models),
            num_candidates=min(self.recipe.num_candidates, dataset.num_items),
            allowed_N=dataset.items["available"].to_numpy(),
            fallback=self.recipe.fallback,
        )

    def _run_of(self, part: Part, stage: str, previous: Model | None = None) -> Run:
        return Run(
            name=part.name,
            stage=stage,
            seed=self.plan.seed,
            log_dir=self.plan.log_dir,
            resume=self.plan.resume,
            console=self.console,
            num_threads=self.recipe.budget.num_threads,
            cutoff=self.recipe.cutoff,
            previous=previous,
        )

    @contextlib.contextmanager
    def _timed(self, part: Part) -> Iterator[None]:
        started = time.monotonic()
        yield
        notes = self.notes[part.name]
        notes["seconds"] = notes.get("seconds", 0.0) + time.monotonic() - started

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _torch_as_before() -> Iterator[None]:
    """Whatever number of threads is set inside: as many as before afterwards."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
