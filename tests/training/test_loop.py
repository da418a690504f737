"""The training loop: batches, early stopping, and a resume that changes no bit."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from shortlist_training.loop import EpochBatches, Loop, Schedule, Training

BATCHES = EpochBatches(group_sizes=(50,), batch_size=10, seed=3)
EXAMPLES = (torch.randn(50, 3, generator=torch.Generator().manual_seed(0)),)
QUALITIES = [0.1, 0.5, 0.4, 0.3, 0.2, 0.9]


class PowerCutError(Exception):
    """Stands for whatever ends a process in the middle of a step."""


class Small(Training):
    """A linear map under dropout, with a quality that is best in the second epoch."""

    def __init__(self, cut_at: tuple[int, int] | None = None) -> None:
        torch.manual_seed(1)
        schedule = Schedule(learning_rate=0.1, num_steps=100, weight_decay=0.0)
        super().__init__(torch.nn.Linear(3, 1), EXAMPLES, BATCHES, schedule)
        self.cut_at = cut_at
        self.steps = 0

    def loss(self, batch: list[Tensor]) -> Tensor:
        if self.cut_at == (self.current_epoch, self.steps % len(self.batches)):
            raise PowerCutError
        self.steps += 1
        return torch.as_tensor(self.network(torch.nn.functional.dropout(batch[0], 0.5)).square().mean())

    def quality(self) -> float:
        return QUALITIES[self.current_epoch]


def run(
    training: Small, directory: Path, *, resume: bool = False, patience: int | None = None
) -> tuple[list[float], str]:
    """The weights after the stage, and what it printed."""
    console = Console(file=io.StringIO(), width=200)
    loop = Loop(log_dir=directory / "logs", seed=5, resume=resume, console=console)
    loop.run(training, directory / "stage", max_epochs=4 if patience is None else 6, patience=patience)
    assert isinstance(console.file, io.StringIO)
    return training.network.state_dict()["weight"].flatten().tolist(), console.file.getvalue()


@pytest.mark.parametrize("cut_at", [(0, 2), (1, 0), (2, 4), (3, 1)])
def test_a_stage_cut_off_at_any_step_resumes_to_the_same_bits(tmp_path: Path, cut_at: tuple[int, int]) -> None:
    expected, _ = run(Small(), tmp_path / "whole")
    with pytest.raises(PowerCutError):
        run(Small(cut_at), tmp_path / "cut")
    weights, printed = run(Small(), tmp_path / "cut", resume=True)
    assert weights == expected
    assert f"epoch {cut_at[0] + 1}/4" in printed
    assert f"epoch {cut_at[0]}/4" not in printed, "whole epochs are not repeated"


def test_early_stopping_ends_with_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    best, printed = run(Small(), tmp_path / "patient", patience=2)
    assert "epoch 4/6" in printed
    assert "epoch 5/6" not in printed
    saved = torch.load(tmp_path / "patient/stage/best.ckpt", weights_only=True)
    assert saved["epoch"] == 1
    assert saved["state_dict"]["network.weight"].flatten().tolist() == best


def test_a_stage_cut_off_after_its_early_stop_gets_no_further_epoch(tmp_path: Path) -> None:
    """Its last epoch would be the best, but an uninterrupted run never comes to it."""
    best, _ = run(Small(), tmp_path, patience=2)
    (tmp_path / "stage/done.ckpt").unlink()
    resumed, printed = run(Small(), tmp_path, resume=True, patience=2)
    assert resumed == best
    assert printed == ""


def test_a_finished_stage_is_loaded_instead_of_repeated(tmp_path: Path) -> None:
    weights, _ = run(Small(), tmp_path)
    again = Small()
    assert run(again, tmp_path, resume=True) == (weights, "  stage: done before, loaded\n")
    assert again.steps == 0


def test_batches_of_an_epoch_hold_every_position_once_and_never_mix_groups() -> None:
    batches = EpochBatches(group_sizes=(10, 7), batch_size=4, seed=3)
    drawn = batches.of(0)
    assert len(drawn) == len(batches) == 5
    assert sorted(position for batch in drawn for position in batch) == list(range(17))
    assert all({position < 10 for position in batch} in ({True}, {False}) for batch in drawn)


def test_batches_depend_on_seed_and_epoch_only() -> None:
    one, other = (EpochBatches(group_sizes=(50,), batch_size=8, seed=3) for _ in range(2))
    one.of(1)
    assert one.of(0) == other.of(0) != one.of(1)


def test_large_data_is_sampled_and_small_data_is_repeated() -> None:
    sampled = EpochBatches(group_sizes=(1000,), batch_size=10, seed=0, examples_per_epoch=100)
    assert len({position for batch in sampled.of(0) for position in batch}) == 100
    repeated = EpochBatches(group_sizes=(3,), batch_size=2, seed=0, min_batches=5)
    assert len(repeated.of(0)) == len(repeated) == 6
