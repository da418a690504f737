"""Settings by trying: every combination of a grid is fitted before each split and judged by it, for any family.

G combinations of a grid.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shortlist_training.data.queries import Split
from shortlist_training.evaluation.metrics import mean_ndcg
from shortlist_training.funnel import Funnel
from shortlist_training.models import find_family
from shortlist_training.models.family import Model, Run
from shortlist_training.recipes import Part


def choose_settings(part: Part, splits: Sequence[Split], run: Run) -> tuple[Any, dict[str, object]]:
    """The settings of the grid whose models have the best NDCG, the mean over the users of all splits.

    The first of equal ones wins. Also what was chosen, as plain values; empty without a grid.
    """
    if not part.grid:
        return part.settings, {}
    names = list(part.grid)
    grid = [dict(zip(names, values, strict=True)) for values in itertools.product(*part.grid.values())]
    sums_G = np.zeros(len(grid))
    for split in splits:
        sums_G += [quality * len(split.task) for quality in _qualities(part, grid, split, run)]
    means_G = sums_G / sum(len(split.task) for split in splits)
    best = int(means_G.argmax())
    run.say(", ".join(f"{name} {_shown(value)}" for name, value in grid[best].items()))
    shown = ", ".join(split.name for split in splits)
    chosen = {**grid[best], "by": f"ndcg@{run.cutoff} on {shown}", "reached": float(means_G[best])}
    return replace(part.settings, **grid[best]), chosen


def _qualities(part: Part, grid: Sequence[Mapping[str, Any]], split: Split, run: Run) -> Iterator[float]:
    """The NDCG of every combination on one split. Each fit has the model of the one before as `previous`."""
    family = find_family(part.family)
    allowed_N = np.ones(split.train.num_items, np.bool_)
    previous: Model | None = None
    for values in grid:
        settings = replace(part.settings, **values)
        previous = family.fit(split.train, settings, replace(run, previous=previous), None)
        funnel = Funnel(
            sources={part.name: previous.source}, weights=(1.0,), num_candidates=run.cutoff, allowed_N=allowed_N
        )
        lists = funnel.retrieve(split.task.queries)
        yield mean_ndcg(lists[part.name], split.task.targets, run.cutoff)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
