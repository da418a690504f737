"""`fit` and the `Ranker`.

B users, C candidates, S sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from shortlist_training.loop import EpochBatches, Loop, Schedule
from shortlist_training.models.ranker.attention import ExportedRanker, RankerGraph
from shortlist_training.models.ranker.features import ItemTables
from shortlist_training.models.ranker.stacked import Stacked
from shortlist_training.models.ranker.training import RankerTraining, calibrate, calibration_error, score_all
from shortlist_training.recipes import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """A fitted ranker: its weights and calibration; the item tables come with `export`."""

    graph: RankerGraph
    slope: float
    intercept: float
    calibration_error: float

    def export(self, tables: ItemTables) -> ExportedRanker:
        """The graph for the items at one cut."""
        return ExportedRanker(self.graph, tables, self.slope, self.intercept).eval()


def fit(
    windows: list[Stacked],
    validation: Stacked,
    weights: Sequence[float],
    recipe: Recipe,
    loop: Loop,
    directory: Path,
) -> Ranker:
    """Learn from the users of `windows`, stop early and calibrate on those of `validation`.

    It starts out from the order of the fusion, whose `weights` of the sources it is given.
    """
    settings = recipe.ranker
    torch.manual_seed(loop.seed)
    graph = RankerGraph(recipe.max_history, validation.scores_BCS.shape[2], settings)
    _set_units(graph, windows)
    graph.start_from(weights)
    batches = EpochBatches(
        group_sizes=tuple(len(window) for window in windows),
        batch_size=settings.batch_size,
        seed=loop.seed,
        min_batches=settings.min_batches_per_epoch,
    )
    schedule = Schedule(
        learning_rate=settings.learning_rate,
        num_steps=len(batches) * settings.max_epochs,
        weight_decay=settings.weight_decay,
    )
    training = RankerTraining(graph, recipe, windows, batches, schedule, validation)
    loop.run(training, directory, max_epochs=settings.max_epochs, patience=settings.patience)
    logits_BC = score_all(graph, validation)
    slope, intercept = calibrate(validation, logits_BC)
    valid_BC = validation.candidates_BC.numpy() > 0
    probabilities = 1 / (1 + np.exp(-(slope * logits_BC[valid_BC].astype(np.float64) + intercept)))
    labels = validation.labels_BC.numpy()[valid_BC].astype(np.float64)
    return Ranker(graph, slope, intercept, calibration_error(probabilities, labels))


@torch.no_grad()
def _set_units(graph: RankerGraph, windows: list[Stacked]) -> None:
    """The unit of each source's score is its root mean square; then standardise all inputs of the graph."""
    scores = torch.cat([window.scores_BCS[window.candidates_BC > 0] for window in windows])
    graph.score_unit_S.copy_(scores.square().mean(dim=0).sqrt().clamp(min=1e-6))
    parts = [
        window.inputs(graph, positions)
        for window in windows
        for positions in torch.split(torch.arange(len(window)), 64)[:4]
    ]
    graph.set_scale(torch.cat(parts))
