"""The fit of the ranker and its export.

B users, C candidates, S sources, P spaces, F sales rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_training.loop import EpochBatches, Schedule
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Run, plain
from shortlist_training.models.ranker.calibration import calibrate, crossed_error
from shortlist_training.models.ranker.network import RankerGraph, RankerNetwork
from shortlist_training.models.ranker.settings import RankerSettings
from shortlist_training.models.ranker.training import RankerTraining, score_all
from shortlist_training.models.ranker.windows import Window, sales_rates, window_of
from shortlist_training.models.stacking import Stacked
from shortlist_training.onnx_export import export_candidate_graph, run_in_torch
from shortlist_training.sources.features import ItemTables
from shortlist_training.sources.graphs import GraphModel

_NUM_SCALE_USERS: Final = 256  # of each window, at most: with 200 candidates each they fix a mean and a deviation


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """A fitted ranker: its weights, the spaces that it compares in, and its calibration."""

    network: RankerNetwork
    settings: RankerSettings
    spaces: tuple[str, ...]
    slope: float
    intercept: float
    calibration_error: float

    def score(self, stacked: Stacked) -> NDArray[np.float32]:
        """The probability (B, C) of every candidate, 0 where there is none."""
        window = window_of(stacked, self.settings, self.spaces)
        values_BC = 1 / (1 + np.exp(-(self.slope * score_all(self.network, window) + self.intercept)))
        return np.where(stacked.rows_BC < 0, 0, values_BC).astype(np.float32)

    def export(self, draft: ModelDraft, stacked: Stacked) -> manifest.Ranker:
        """Write the graph, and the sales rates of the stack's data as attributes of the items."""
        train = stacked.split.train
        rates = sales_rates(train, self.settings.rate_half_lives_days)
        numeric = dict(zip(_rate_names(self.settings), rates, strict=True))
        for name, numbers_N in numeric.items():
            draft.add_attribute(name, numbers_N)
        graph = graph_of(self.settings, self.spaces)
        module = RankerGraph(self.network, len(numeric), self.slope, self.intercept)
        tables = ItemTables({name: stacked.spaces[name].index for name in self.spaces}, numeric)
        here = GraphModel(graph, run_in_torch(module.eval(), graph), tables)
        export_candidate_graph(draft, "ranker", module, here, stacked)
        return manifest.Ranker(graph=graph, heads=[manifest.RankerHead(name=train.target_name, weight=1.0)])

    def describe(self) -> dict[str, object]:
        """The settings, and what was learned and calibrated."""
        num_parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return {
            "settings": plain(self.settings),
            "spaces": list(self.spaces),
            "num_parameters": num_parameters,
            "slope": self.slope,
            "intercept": self.intercept,
            "calibration_error": self.calibration_error,
        }


def graph_of(settings: RankerSettings, spaces: Sequence[str]) -> manifest.Graph:
    """The entry of the manifest; the order of the inputs is the one that `RankerGraph` takes."""
    features = {
        "history_items": "history.items",
        "history_recency_days": "history.recency_days",
        **{f"history_vectors_{place}": f"history.vectors:{name}" for place, name in enumerate(spaces)},
        **{f"candidate_vectors_{place}": f"candidate.vectors:{name}" for place, name in enumerate(spaces)},
        **{name: f"candidate.numeric:{name}" for name in _rate_names(settings)},
        "retrieval_scores": "candidate.retrieval_scores",
    }
    inputs = [manifest.GraphInput(name=name, feature=feature) for name, feature in features.items()]
    return manifest.Graph(inputs=inputs, output="probabilities", max_history=settings.max_history)


def fit(stacks: Sequence[Stacked], settings: RankerSettings, run: Run, calibration: Stacked) -> Ranker:
    """Learn from the users of `stacks`, beginning with the order of the fusion; calibrate on those of `calibration`."""
    spaces = tuple(name for name in settings.spaces if name in calibration.spaces)
    windows = [window_of(stacked, settings, spaces) for stacked in stacks]
    last = window_of(calibration, settings, spaces)
    torch.manual_seed(run.seed)
    num_bias = [calibration.spaces[name].num_bias for name in spaces]
    network = RankerNetwork(num_bias, len(settings.rate_half_lives_days), last.scores_BCS.shape[2], settings)
    _set_units(network, windows)
    network.start_from(calibration.weights)
    batches = EpochBatches(
        group_sizes=tuple(len(window) for window in windows),
        batch_size=settings.batch_size,
        seed=run.seed,
        min_batches=settings.min_batches_per_epoch,
    )
    schedule = Schedule(
        learning_rate=settings.learning_rate,
        num_steps=len(batches) * settings.num_epochs,
        weight_decay=settings.weight_decay,
    )
    training = RankerTraining(network, settings, windows, batches, schedule)
    run.loop.run(training, run.directory, max_epochs=settings.num_epochs, patience=None)
    logits_BC = score_all(network, last)
    slope, intercept = calibrate(last, logits_BC, np.ones(len(last), np.bool_))
    return Ranker(network, settings, spaces, slope, intercept, crossed_error(last, logits_BC))


def _rate_names(settings: RankerSettings) -> list[str]:
    """The attributes under which a package holds the sales rates, in the order of the settings."""
    return [f"sales_rate_{place}" for place in range(1, len(settings.rate_half_lives_days) + 1)]


@torch.no_grad()
def _set_units(network: RankerNetwork, windows: Sequence[Window]) -> None:
    """The unit of each source's score is its root mean square; then standardise all inputs of the network."""
    scores = torch.cat([window.scores_BCS[window.candidates_BC > 0] for window in windows])
    network.score_unit_S.copy_(scores.square().mean(dim=0).sqrt().clamp(min=1e-6))
    parts = [window.inputs(network, users) for window in windows for users in _some_users(len(window))]
    network.set_scale(torch.cat(parts))


def _some_users(num_users: int) -> list[torch.Tensor]:
    """Positions in small parts; of many users an even choice, as the first ones by id may be the oldest."""
    step = max(1, num_users // _NUM_SCALE_USERS)
    return list(torch.split(torch.arange(0, num_users, step), 64))
