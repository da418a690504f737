"""The fit of the two towers, the source that they are, and its export.

B queries, L history positions, N items, D dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shortlist.v1 import manifest_pb2 as manifest
from shortlist_kernels import VectorIndex
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Split
from shortlist_training.loop import EpochBatches, Schedule
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run, VectorSpace, plain
from shortlist_training.models.two_tower.batches import Examples, Numbering, build_examples, number_items
from shortlist_training.models.two_tower.network import Towers, UserGraph
from shortlist_training.models.two_tower.settings import TwoTowerSettings
from shortlist_training.models.two_tower.text import text_table
from shortlist_training.models.two_tower.training import TwoTowerTraining, window_of
from shortlist_training.onnx_export import export_user_graph, run_in_torch
from shortlist_training.sources.features import ItemTables
from shortlist_training.sources.graphs import GraphModel
from shortlist_training.sources.kinds import UserVector


@dataclass(frozen=True, slots=True, eq=False)
class TwoTower(Model):
    """The towers of one moment; `towers` and `numbering` are what a later fit goes on from."""

    name: str
    source: UserVector
    settings: TwoTowerSettings
    encoder: GraphModel
    texts: VectorIndex | None
    towers: Towers
    numbering: Numbering
    num_epochs: int

    def spaces(self) -> Mapping[str, VectorSpace]:
        """The item vectors, whose last dimension is the bias, and their text parts where there are texts."""
        spaces = {self.name: VectorSpace(self.source.index, num_bias=1)}
        return spaces if self.texts is None else {**spaces, text_space(self.name): VectorSpace(self.texts)}

    def export(self, draft: ModelDraft) -> manifest.Source:
        """Write the vectors and the user tower."""
        for name, space in self.spaces().items():
            draft.add_space(name, space.index)
        export_user_graph(draft, self.name, UserGraph(self.towers.users), self.encoder, self.source.index)
        vector = manifest.UserVector(space=self.name, graph=self.encoder.graph)
        return manifest.Source(name=self.name, user_vector=vector)

    def describe(self) -> dict[str, object]:
        """The settings, and how much was learned; epochs of earlier stages count."""
        num_parameters = sum(parameter.numel() for parameter in self.towers.parameters())
        return {"settings": plain(self.settings), "num_parameters": num_parameters, "num_epochs": self.num_epochs}


def text_space(name: str) -> str:
    """The name of the space of the text parts."""
    return f"{name}.text"


def fit(train: Dataset, settings: TwoTowerSettings, run: Run, validation: Split | None) -> TwoTower:
    """Train on the events of `train`.

    With validation it begins anew and stops early on it. Without, it is a refit: it goes on from the weights of
    `run.previous`, for a fixed number of epochs, so that vectors of one stage resemble those of the next.

    Raises:
        InputError: no user comes back, so there is nothing to learn a sequence from.
    """
    before = run.previous if isinstance(run.previous, TwoTower) and validation is None else None
    numbering = number_items(train, before.numbering if before else None)
    towers = _begin(train, numbering, settings, run.seed, before)
    training = _training(towers, train, numbering, settings, run, validation)
    if validation is None:
        epochs = run.loop.run(training, run.directory, max_epochs=settings.refit_epochs, patience=None)
    else:
        epochs = run.loop.run(training, run.directory, max_epochs=settings.max_epochs, patience=settings.patience)
    return _freeze(towers.eval(), numbering, settings, run.name, epochs + (before.num_epochs if before else 0))


def _training(
    towers: Towers,
    train: Dataset,
    numbering: Numbering,
    settings: TwoTowerSettings,
    run: Run,
    validation: Split | None,
) -> TwoTowerTraining:
    """The examples, their batches and the schedule, of a first fit or, without validation, of a refit."""
    examples = build_examples(
        train,
        numbering.numbers_N,
        max_history=settings.max_history,
        max_targets=settings.max_targets,
        max_examples=settings.max_examples,
    )
    batches = EpochBatches(
        group_sizes=(len(examples.times_X),),
        batch_size=settings.batch_size,
        examples_per_epoch=settings.examples_per_epoch,
        min_batches=settings.min_batches_per_epoch,
        seed=run.seed,
    )
    rate, epochs = settings.learning_rate, settings.max_epochs
    if validation is None:
        rate, epochs = settings.refit_learning_rate, settings.refit_epochs
    schedule = Schedule(learning_rate=rate, num_steps=len(batches) * epochs, weight_decay=settings.weight_decay)
    window = None if validation is None else window_of(validation.task, numbering, settings.max_history, run.cutoff)
    tensors = _tensors(examples, train, settings.half_life_share)
    return TwoTowerTraining(towers, settings, tensors, batches, schedule, window)


def _begin(
    train: Dataset, numbering: Numbering, settings: TwoTowerSettings, seed: int, before: TwoTower | None
) -> Towers:
    """New towers, or those of before with the items and texts of now."""
    texts = text_table(train.items[numbering.rows_N], settings.text_buckets, settings.text_tokens)
    torch.manual_seed(seed)
    towers = Towers(train.num_items, texts, settings)
    if before is not None:
        towers.load_state_dict(before.towers.state_dict())
    towers.items.set_known(numbering.num_known)
    return towers


def _freeze(towers: Towers, numbering: Numbering, settings: TwoTowerSettings, name: str, num_epochs: int) -> TwoTower:
    """The towers as a source, items by row."""
    index = _index(towers.item_vectors()[numbering.numbers_N])
    texts_ND = towers.text_vectors()[numbering.numbers_N]
    graph = manifest.Graph(
        inputs=[
            manifest.GraphInput(name="history_items", feature="history.items"),
            manifest.GraphInput(name="history_vectors", feature=f"history.vectors:{name}"),
        ],
        output="user_vector",
        max_history=settings.max_history,
    )
    encoder = GraphModel(graph, run_in_torch(UserGraph(towers.users), graph), ItemTables({name: index}))
    texts = _index(texts_ND) if texts_ND.any() else None
    source = UserVector(index, encoder.encode)
    return TwoTower(name, source, settings, encoder, texts, towers, numbering, num_epochs)


def _index(vectors_ND: NDArray[np.float32]) -> VectorIndex:
    index = VectorIndex(vectors_ND.shape[1])
    index.add(np.arange(len(vectors_ND)), vectors_ND)
    return index


def _tensors(examples: Examples, train: Dataset, half_life_share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Histories, targets, and the weight of each example by its age."""
    half_life_s = max(1.0, half_life_share * train.span_s)
    weights_X = np.exp2((examples.times_X - train.as_of) / half_life_s).astype(np.float32)
    return torch.from_numpy(examples.histories_XL), torch.from_numpy(examples.targets_XT), torch.from_numpy(weights_X)
