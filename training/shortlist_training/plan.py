"""What a training run is about to do, checked before anything that takes long is loaded or computed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Task, task_in
from shortlist_training.data.split import GlobalTime, global_time, windows_before_test
from shortlist_training.errors import InputError
from shortlist_training.package import prepare_target
from shortlist_training.recipes import Recipe
from shortlist_training.run_directory import open_run


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A run that can begin.

    Attributes:
        tasks: the windows that have users to learn from or to validate on; the last one is validation.
        out: the package to write; a package can be written there.
        log_dir: of checkpoints and TensorBoard logs; it belongs to this run.
        resume: go on with what lies there.
        train_until: the package is fitted on the events before it.
    """

    dataset: Dataset
    recipe: Recipe
    protocol: GlobalTime
    tasks: list[Task]
    out: Path
    log_dir: Path
    resume: bool
    seed: int
    train_until: int


def make_plan(
    dataset: Dataset, recipe: Recipe, out: Path, *, seed: int, log_dir: Path, resume: bool, all_data: bool
) -> Plan:
    """Split the data, make room for the package and open the log directory.

    With `all_data` the package is fitted on the test period too, and cannot be evaluated on this data.

    Raises:
        InputError: the data cannot be split or learned from, `out` or `log_dir` is something else, or the resumed run
            had other data, recipe or seed.
    """
    prepare_target(out)
    protocol = global_time(dataset, cutoff=recipe.cutoff, seed=seed)
    tasks = _tasks(dataset, recipe, protocol, seed)
    open_run(log_dir, _settings_of(dataset, recipe, seed, all_data), resume=resume)
    return Plan(
        dataset=dataset,
        recipe=recipe,
        protocol=protocol,
        tasks=tasks,
        out=out,
        log_dir=log_dir,
        resume=resume,
        seed=seed,
        train_until=protocol.end if all_data else protocol.test_start,
    )


def _tasks(dataset: Dataset, recipe: Recipe, protocol: GlobalTime, seed: int) -> list[Task]:
    tasks = []
    for window in windows_before_test(dataset, protocol, recipe.ranker.num_windows):
        is_validation = window == protocol.validation
        limit = recipe.max_validation_users if is_validation else recipe.ranker.max_users_per_window
        task = task_in(dataset, window, recipe.max_history, max_users=limit, seed=seed)
        if len(task):
            tasks.append(task)
        elif is_validation:
            raise InputError(
                f"{dataset.description.name}: nobody with a history before {window.start} takes a new item before "
                f"{window.end}: nothing to validate on"
            )
    return tasks


def _settings_of(dataset: Dataset, recipe: Recipe, seed: int, all_data: bool) -> dict[str, object]:
    plain = json.loads(json.dumps(asdict(recipe), default=str))
    return {"fingerprint": dataset.fingerprint, "recipe": plain, "seed": seed, "all_data": all_data}
