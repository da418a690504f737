"""One training loop for the families that learn by gradient, on pytorch-lightning.

Progress, early stopping on the validation NDCG, checkpoints, TensorBoard logs. A run is a chain of *stages* (one call
of `Loop.run` each). Everything random in an epoch is drawn from (seed, epoch), so a stage that was cut off and resumed
at the end of its last whole epoch gives the same weights, bit for bit, as one that was not.
"""

import contextlib
import logging
import math
import signal
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader

from shortlist_training.run_directory import TENSORBOARD

VALIDATION_METRIC = "validation/ndcg"
_DONE = "done.ckpt"
_LAST = "last.ckpt"
_BEST = "best.ckpt"
_WARM_UP = 0.1  # of all steps: the moments of Adam need some before a high rate does no harm
_LARGEST_GRADIENT = 1.0  # its norm: of a usual step it is below; a batch of outliers is kept from undoing an epoch


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A one-cycle learning rate: up during the first tenth of `num_steps`, then down to nearly 0."""

    learning_rate: float
    num_steps: int
    weight_decay: float


class EpochBatches:
    """Batches of positions, drawn anew each epoch from (seed, epoch); no batch mixes two groups.

    The examples of group g are the `group_sizes[g]` positions behind those of the groups before it. Large data is
    sampled down to `examples_per_epoch`; small data is passed over until there are `min_batches`.
    """

    def __init__(
        self,
        *,
        group_sizes: tuple[int, ...],
        batch_size: int,
        seed: int,
        min_batches: int = 1,
        examples_per_epoch: int | None = None,
    ) -> None:
        self.group_sizes = group_sizes
        self.batch_size = batch_size
        self.seed = seed
        total = sum(group_sizes)
        share = min(1.0, (examples_per_epoch or total) / max(1, total))
        self.kept_sizes = [math.ceil(size * share) for size in group_sizes]
        self.batches_per_pass = sum(math.ceil(size / batch_size) for size in self.kept_sizes)
        self.num_passes = math.ceil(min_batches / max(1, self.batches_per_pass))

    def __len__(self) -> int:
        return self.num_passes * self.batches_per_pass

    def of(self, epoch: int) -> list[list[int]]:
        """The batches of one epoch, in order."""
        generator = np.random.default_rng((self.seed, epoch))
        batches: list[list[int]] = []
        for _ in range(self.num_passes):
            start = 0
            for size, kept in zip(self.group_sizes, self.kept_sizes, strict=True):
                positions = start + generator.permutation(size)[:kept]
                batches += [positions[i : i + self.batch_size].tolist() for i in range(0, kept, self.batch_size)]
                start += size
        return [batches[i] for i in generator.permutation(len(batches))]


class Training(lightning.LightningModule, ABC):
    """One stage: a module, its examples and its schedule.

    Lightning's loader only counts the batches; which examples they hold is asked for by (epoch, number), because the
    first batch of a resumed run is fetched before Lightning knows its epoch.
    """

    def __init__(
        self, network: nn.Module, examples: Sequence[Tensor], batches: EpochBatches, schedule: Schedule
    ) -> None:
        super().__init__()
        self.network = network
        self.examples = examples
        self.batches = batches
        self.schedule = schedule
        self._drawn: tuple[int, list[list[int]]] | None = None

    @abstractmethod
    def loss(self, batch: list[Tensor]) -> Tensor:
        """The loss of a batch: the same positions of each tensor of `examples`."""

    def quality(self) -> float:
        """NDCG on the validation window; a stage that stops early must say."""
        raise NotImplementedError

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        """One step."""
        if self._drawn is None or self._drawn[0] != self.current_epoch:
            self._drawn = self.current_epoch, self.batches.of(self.current_epoch)
        positions = self._drawn[1][batch_index]
        loss = self.loss([tensor[positions] for tensor in self.examples])
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(positions))
        return loss

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        """The whole window in one step."""
        self.log(VALIDATION_METRIC, self.quality(), batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW with the one-cycle schedule."""
        rate, steps = self.schedule.learning_rate, max(2, self.schedule.num_steps)
        decay = self.schedule.weight_decay
        adam = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay, fused=True)
        cycle = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=rate, total_steps=steps, pct_start=_WARM_UP)
        return {"optimizer": adam, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


class _SeedEachEpoch(Callback):
    """Dropout and sampling depend on the epoch only, not on what ran before a resume."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        torch.manual_seed(self.seed * 100_003 + trainer.current_epoch)


class _EpochLines(Callback):
    """One line per epoch where there is no terminal for a progress bar."""

    def __init__(self, console: Console, name: str) -> None:
        self.console = console
        self.name = name

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        metrics = trainer.callback_metrics
        quality = f", validation NDCG {metrics[VALIDATION_METRIC]:.4f}" if VALIDATION_METRIC in metrics else ""
        line = f"{self.name} epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: loss {metrics['train/loss']:.4f}"
        self.console.print(f"  {line}{quality}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """How stages run.

    Attributes:
        log_dir: TensorBoard logs; the checkpoints lie in a folder per stage below it.
        seed: of shuffling, dropout and sampling.
        resume: go on from the checkpoints found there; finished stages are loaded, not repeated.
        console: where progress is shown.
    """

    log_dir: Path
    seed: int
    resume: bool
    console: Console

    def run(self, training: Training, directory: Path, *, max_epochs: int, patience: int | None) -> int:
        """Train `training` in place; returns how many epochs its weights have seen.

        With `patience` it ends after so many epochs without a better one on validation, with the weights of the best;
        without, with those of the last epoch.
        """
        done = directory / _DONE
        if self.resume and done.is_file():
            self.console.print(f"  {directory.name}: done before, loaded", highlight=False, soft_wrap=True)
            return _load(training, done)
        callbacks: list[Callback] = [_SeedEachEpoch(self.seed)]
        if patience is not None:
            callbacks.append(EarlyStopping(VALIDATION_METRIC, mode="max", patience=patience))
            callbacks.append(_checkpoint(directory, _BEST, VALIDATION_METRIC))
        # The last one is written last: what it says of the others is then true.
        callbacks.append(_checkpoint(directory, _LAST, None))
        callbacks.append(RichProgressBar() if self.console.is_terminal else _EpochLines(self.console, directory.name))
        last = directory / _LAST if self.resume and (directory / _LAST).is_file() else None
        if last is None or not _stopped_early(last):
            with _quiet(), _interruptible():
                trainer = self._trainer(callbacks, directory.name, max_epochs)
                once = _counter(1) if patience is not None else None
                trainer.fit(training, _counter(len(training.batches)), once, ckpt_path=last)
        num_epochs = max_epochs if patience is None else _load(training, directory / _BEST)
        # As Lightning counts in its own checkpoints: the number of the epoch, from 0.
        torch.save({"state_dict": training.state_dict(), "epoch": num_epochs - 1}, directory / "done.partial")
        (directory / "done.partial").replace(done)
        return num_epochs

    def _trainer(self, callbacks: list[Callback], name: str, max_epochs: int) -> lightning.Trainer:
        return lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=max_epochs,
            callbacks=callbacks,
            logger=TensorBoardLogger(self.log_dir / TENSORBOARD, name=name, version=""),
            log_every_n_steps=20,
            gradient_clip_val=_LARGEST_GRADIENT,
            deterministic=True,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=self.console.is_terminal,
        )


def _counter(length: int) -> DataLoader[Tensor]:
    """0, 1, 2, ...; with a generator of its own, or making an iterator would draw from the one of dropout."""
    return DataLoader(torch.arange(length), batch_size=None, generator=torch.Generator())  # type: ignore[arg-type]


def _checkpoint(directory: Path, name: str, monitor: str | None) -> ModelCheckpoint:
    """After every epoch: overwrite the file `name`, by the metric only where it is the best so far."""
    return ModelCheckpoint(
        dirpath=directory,
        filename=Path(name).stem,
        monitor=monitor,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _load(training: Training, path: Path) -> int:
    """Take over the weights of a checkpoint; returns how many epochs they have seen."""
    checkpoint = torch.load(path, weights_only=True)
    training.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _stopped_early(checkpoint: Path) -> bool:
    """True when the stage was cut off after its last epoch and before it was marked as done: no epoch may be added."""
    callbacks = torch.load(checkpoint, weights_only=True)["callbacks"]
    return any(state.get("stopped_epoch") for name, state in callbacks.items() if name.startswith("EarlyStopping"))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt again: Lightning makes it a bare exit with code 1, and ignores SIGINT then."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from end
        raise


class _quiet(warnings.catch_warnings):  # noqa: N801 - used like a function
    """Lightning's hints on hardware and workers do not concern small models on CPU."""

    def __enter__(self) -> None:
        super().__enter__()
        for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        for package in ("pytorch_lightning", "lightning_fabric", "torch", "tensorboard"):
            warnings.filterwarnings("ignore", module=rf"{package}\.")
