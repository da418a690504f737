"""What a model family is, what a fitted model answers, and what a run gives them.

B queries, M given candidates, N items. Light at import: a recipe and a plan look at families before torch is loaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

    from shortlist.v1 import manifest_pb2 as manifest
    from shortlist_kernels import VectorIndex
    from shortlist_training.data.dataset import Dataset
    from shortlist_training.data.queries import Queries, Split
    from shortlist_training.loop import Loop
    from shortlist_training.models.draft import ModelDraft
    from shortlist_training.models.stacking import Stacked
    from shortlist_training.sources.kinds import Float32, Kind, Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One fit of one part of a recipe, within a training run.

    Attributes:
        name: of the part: a source's name in the package.
        stage: what it is fitted for, e.g. "before-2", "validation" or "package"; with the name, it names checkpoints.
        seed: what every random choice is drawn from.
        log_dir: checkpoints and TensorBoard logs lie below it.
        resume: go on from the checkpoints that lie there.
        num_threads: how many threads may compute.
        cutoff: k of the NDCG@k by which is chosen.
        previous: the part's model of the stage before, on older data or other settings; a family may go on from it.
    """

    name: str
    stage: str
    seed: int
    log_dir: Path
    resume: bool
    console: Console
    num_threads: int = 1
    cutoff: int = 10
    previous: Model | None = None

    @property
    def loop(self) -> Loop:
        """The training loop of families that learn by gradient."""
        from shortlist_training.loop import Loop

        return Loop(log_dir=self.log_dir, seed=self.seed, resume=self.resume, console=self.console)

    @property
    def directory(self) -> Path:
        """The checkpoints of this fit."""
        from shortlist_training.run_directory import CHECKPOINTS

        return self.log_dir / CHECKPOINTS / f"{self.name}-{self.stage}"

    def say(self, text: str) -> None:
        """Show one line of progress."""
        self.console.print(f"  {self.name}: {text}", highlight=False, soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class VectorSpace:
    """Vectors of all items, ids being rows, that a model brings along; ids and metric are those of the package.

    num_bias: so many of the last dimensions are biases: they count in a score, but say nothing of similarity.
    """

    index: VectorIndex
    num_bias: int = 0


class Model(Protocol):
    """A fitted family. `source` answers as the server will; the rest follows from it."""

    name: str
    source: Kind

    def score(self, queries: Queries, rows_BM: Rows | None = None) -> Float32:
        """The raw score (B, M) of every given item, or (B, N) of all."""
        return self.source.score(queries, rows_BM)

    def spaces(self) -> Mapping[str, VectorSpace]:
        """The vector spaces that the model brings into the package, by name."""
        return {}

    def export(self, draft: ModelDraft) -> manifest.Source:
        """Write its files into the package and return its entry in the manifest, without weight and training.

        GateError where an exported graph does not answer as the model does.
        """
        ...

    def describe(self) -> dict[str, object]:
        """Its settings and what came of them (epochs, parameters, ...), as plain values for the manifest."""
        ...


class Family(Protocol):
    """A way to learn a source from data. Its settings are a frozen dataclass with every default visible."""

    name: str
    settings: type[Any]
    needs: frozenset[str]
    """What the data must have: "time", "values", "text", "image"."""

    def fit(self, train: Dataset, settings: Any, run: Run, validation: Split | None) -> Model:
        """Learn from `train`. None for validation: refit with what `run.previous` found, and look at nothing else."""
        ...


class RankerModel(Protocol):
    """A fitted ranker. What it knows of items at a moment comes with the stack.

    calibration_error: the expected calibration error of its probabilities for users whom it has not seen.
    """

    calibration_error: float

    def score(self, stacked: Stacked) -> Float32:
        """The value (B, C) of every candidate, 0 where there is none: the sum over heads of weight x probability."""
        ...

    def export(self, draft: ModelDraft, stacked: Stacked) -> manifest.Ranker:
        """Write its graph for the sources of the stack and return its entry, without training.

        Its item attributes go into the draft. GateError where the graph does not answer as the model does.
        """
        ...

    def describe(self) -> dict[str, object]:
        """Its settings and what came of them, as plain values for the manifest."""
        ...


class RankerFamily(Protocol):
    """A way to learn the value of candidates from later windows, stacked on sources that had not seen them."""

    name: str
    settings: type[Any]
    needs: frozenset[str]

    def fit(self, stacks: Sequence[Stacked], settings: Any, run: Run, calibration: Stacked) -> RankerModel:
        """Learn from `stacks`, oldest first, and make probabilities of scores on the users of `calibration`."""
        ...


def plain(settings: Any) -> dict[str, object]:
    """The fields of a settings dataclass as plain values."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
