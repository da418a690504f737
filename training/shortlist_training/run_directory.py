"""The log directory of a training run: whose it is, and what may be taken over from it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from shortlist_training.errors import InputError

CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
_MARKER = "run.json"


def open_run(log_dir: Path, settings: Mapping[str, object], *, resume: bool) -> None:
    """Begin a run in `log_dir`, or with `resume` go on with the one there.

    A new run clears the checkpoints and TensorBoard logs of an older one: a later resume must not mix the two.

    Raises:
        InputError: the directory holds something that is no run, there is no run to resume, or it had other settings.
    """
    marker = log_dir / _MARKER
    try:
        found = json.loads(marker.read_text(encoding="utf-8")) if marker.is_file() else None
        if resume:
            _check_resumable(log_dir, found, settings)
            return
        if found is None and log_dir.exists() and any(log_dir.iterdir()):
            raise InputError(f"{log_dir}: holds other files; give another --log-dir")
        for name in (CHECKPOINTS, TENSORBOARD):
            if (log_dir / name).exists():
                shutil.rmtree(log_dir / name)
        log_dir.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{log_dir}: cannot be used for logs ({error})") from error


def _check_resumable(log_dir: Path, found: object, settings: Mapping[str, object]) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{log_dir}: no run to resume; leave --resume out to start one")
    for name, value in settings.items():
        if found.get(name) != value:
            raise InputError(
                f"{log_dir}: the run there was made with another {name}; it cannot be resumed with this one"
            )
