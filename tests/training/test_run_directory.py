"""Whose log directory it is, and what a run takes over from it."""

from pathlib import Path

import pytest

from shortlist_training.errors import InputError
from shortlist_training.run_directory import CHECKPOINTS, open_run

SETTINGS = {"fingerprint": "sha256:0", "seed": 0}


def test_a_resumed_run_keeps_its_checkpoints_and_a_new_one_clears_them(tmp_path: Path) -> None:
    open_run(tmp_path / "logs", SETTINGS, resume=False)
    checkpoint = tmp_path / "logs" / CHECKPOINTS / "ranker" / "done.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("weights of seed 0")
    open_run(tmp_path / "logs", SETTINGS, resume=True)
    assert checkpoint.exists()
    open_run(tmp_path / "logs", {**SETTINGS, "seed": 1}, resume=False)
    assert not checkpoint.exists()


@pytest.mark.parametrize("name", ["fingerprint", "seed"])
def test_another_run_is_not_resumed(tmp_path: Path, name: str) -> None:
    open_run(tmp_path, SETTINGS, resume=False)
    with pytest.raises(InputError, match=f"made with another {name}"):
        open_run(tmp_path, {**SETTINGS, name: "other"}, resume=True)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        open_run(tmp_path, SETTINGS, resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", [None, "[]"])
def test_there_must_be_a_run_to_resume(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match="no run to resume"):
        open_run(tmp_path, SETTINGS, resume=True)


def test_a_broken_marker_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="cannot be used for logs"):
        open_run(tmp_path, SETTINGS, resume=True)
