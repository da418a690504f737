"""`fit` and the `TwoTower` source.

B queries, L history positions, K results, M candidates, N items, D dimensions.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortlist_kernels import VectorIndex
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Queries, Task
from shortlist_training.loop import EpochBatches, Loop, Schedule
from shortlist_training.models.two_tower.examples import Examples, build_examples
from shortlist_training.models.two_tower.towers import ExportedUserTower
from shortlist_training.models.two_tower.training import Towers, TwoTowerTraining
from shortlist_training.package import Draft
from shortlist_training.recipes import Recipe

Encode = Callable[[NDArray[np.int64]], NDArray[np.float32]]


class TwoTower:
    """The `two_tower` source over any user tower: the PyTorch one in training, the exported one in evaluation.

    Attributes:
        encode: history.items (B, L) to user vectors (B, D).
        vectors_ND: the item vectors.
    """

    name = "two_tower"
    needs_history = True

    def __init__(self, encode: Encode, vectors_ND: NDArray[np.float32]) -> None:
        self.encode = encode
        self.vectors_ND = vectors_ND
        self._index = VectorIndex(vectors_ND.shape[1])
        self._index.add(np.arange(len(vectors_ND), dtype=np.int64), vectors_ND)

    def retrieve(
        self, queries: Queries, k: int, allowed_N: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The unseen items with the largest inner products; nothing for an empty history."""
        vectors_BD = self.encode(queries.history_items_BL)
        scores_BK, rows_BK = self._index.search(vectors_BD, k, exclude=queries.exclude, mask=allowed_N)
        cold_B = ~queries.with_history_B
        scores_BK[cold_B], rows_BK[cold_B] = -np.inf, -1
        return scores_BK, rows_BK

    def score(self, queries: Queries, rows_BM: NDArray[np.int64]) -> NDArray[np.float32]:
        """Exact inner products; 0 for an empty history and where the row is -1."""
        scores_BM = self._index.score(self.encode(queries.history_items_BL), rows_BM)
        return np.where((rows_BM < 0) | ~queries.with_history_B[:, None], np.float32(0), scores_BM)

    def export(self, draft: Draft) -> dict[str, object]:
        """Write the item vectors; the user tower is written by `export`, which checks its parity."""
        draft.add_vectors(self.name, self.vectors_ND)
        return {
            "name": self.name,
            "type": "two_tower",
            "model": "user_tower",
            "vectors": self.name,
            "metric": "inner_product",
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedTowers:
    """What a fit leaves: the source, the graph to export, and the text part (N, D) of the item vectors."""

    source: TwoTower
    graph: ExportedUserTower
    text_vectors_ND: NDArray[np.float32]


def fit(
    dataset: Dataset, cut: int, towers: Towers, recipe: Recipe, loop: Loop, directory: Path, task: Task | None
) -> FittedTowers:
    """Train on the events before `cut`; `towers` is changed in place and returned as a frozen copy.

    With a task (of a window that starts at the cut) it stops early on it. Without, it is a refit: it goes on from the
    weights that `towers` has, for a fixed number of epochs, and looks at nothing behind the cut.
    """
    settings = recipe.two_tower
    refit = task is None
    examples = build_examples(
        dataset,
        cut,
        max_history=recipe.max_history,
        max_targets=settings.max_targets,
        max_examples=settings.max_examples,
    )
    known_N = np.bincount(dataset.rows[: dataset.until(cut)], minlength=dataset.num_items) > 0
    towers.items.set_known(known_N)
    batches = EpochBatches(
        group_sizes=(len(examples.times_X),),
        batch_size=settings.batch_size,
        examples_per_epoch=settings.examples_per_epoch,
        min_batches=settings.min_batches_per_epoch,
        seed=loop.seed,
    )
    max_epochs = settings.refit_epochs if refit else settings.max_epochs
    schedule = Schedule(
        learning_rate=settings.refit_learning_rate if refit else settings.learning_rate,
        num_steps=len(batches) * max_epochs,
        weight_decay=1e-6,
    )
    half_life_s = settings.half_life_share * (cut - int(dataset.timestamps[0]))
    training = TwoTowerTraining(towers, recipe, _tensors(examples, cut, half_life_s), batches, schedule, task)
    loop.run(training, directory, max_epochs=max_epochs, patience=None if refit else settings.patience)
    return freeze(towers)


def freeze(towers: Towers) -> FittedTowers:
    """A copy of the towers' present state as source and graph."""
    vectors_ND = towers.item_vectors()
    graph = ExportedUserTower(copy.deepcopy(towers.users), vectors_ND).eval()
    with torch.no_grad():
        text_ND = towers.items.text(torch.arange(len(vectors_ND))).numpy()

    def encode(history_items_BL: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.no_grad():
            users_BD: NDArray[np.float32] = graph(torch.from_numpy(history_items_BL)).numpy()
        return users_BD

    return FittedTowers(TwoTower(encode, vectors_ND), graph, text_ND)


def _tensors(examples: Examples, cut: int, half_life_s: float) -> tuple[Tensor, Tensor, Tensor]:
    weights_X = np.exp2((examples.times_X - cut) / max(1.0, half_life_s)).astype(np.float32)
    return torch.from_numpy(examples.histories_XL), torch.from_numpy(examples.targets_XT), torch.from_numpy(weights_X)
