"""Recipes whose rankers no gate lets pass, for `shortlist train --recipe tests.training.bad_rankers:NAME`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_training.evaluation.metrics import hits
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Run
from shortlist_training.models.stacking import Stacked
from shortlist_training.recipes import Part, Recipe, Shape
from tests.training.models.next_item import recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """hit_value: of what a user then took, every other candidate being worth 0; error: what it says of itself."""

    hit_value: float
    error: float


@dataclasses.dataclass(frozen=True)
class Ranker:
    settings: Settings

    @property
    def calibration_error(self) -> float:
        return self.settings.error

    def score(self, stacked: Stacked) -> NDArray[np.float32]:
        return (hits(stacked.rows_BC, stacked.split.task.targets) * self.settings.hit_value).astype(np.float32)

    def export(self, draft: ModelDraft, stacked: Stacked) -> manifest.Ranker:
        raise AssertionError("a gate was to refuse it")

    def describe(self) -> dict[str, object]:
        return {}


class RankerFamily:
    name = "bad_ranker"
    settings = Settings
    needs = frozenset[str]()

    def fit(self, stacks: Sequence[Stacked], settings: Settings, run: Run, calibration: Stacked) -> Ranker:
        return Ranker(settings)


FAMILY = RankerFamily()


def _with(shape: Shape, settings: Settings) -> Recipe:
    return dataclasses.replace(recipe(shape), ranker=Part(name="ranker", family=__name__, settings=settings))


def worst_first(shape: Shape) -> Recipe:
    """Knows what everybody will take, and shows it last."""
    return _with(shape, Settings(hit_value=-1.0, error=0.0))


def uncalibrated(shape: Shape) -> Recipe:
    """Has probabilities that are none."""
    return _with(shape, Settings(hit_value=1.0, error=math.nan))
