"""What a training run is about to do, checked before anything that takes long is loaded or computed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shortlist.package.writer import prepare_target
from shortlist_training.data.dataset import Dataset
from shortlist_training.errors import InputError
from shortlist_training.models import find_family
from shortlist_training.protocols import find_protocol
from shortlist_training.protocols.protocol import Limits, Splits
from shortlist_training.recipes import MakeRecipe, Recipe, Shape, shape_of
from shortlist_training.run_directory import open_run


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A run that can begin.

    Attributes:
        protocol: every field of the protocol, as plain values.
        settings: the recipe, as plain values.
        splits: what may be learned from and chosen on; nothing of the test split is among it.
        out: the package to write; a package can be written there.
        log_dir: of checkpoints and TensorBoard logs; it belongs to this run.
        resume: go on with what lies there.
    """

    dataset: Dataset
    recipe: Recipe
    protocol: dict[str, object]
    settings: dict[str, object]
    splits: Splits
    out: Path
    log_dir: Path
    resume: bool
    seed: int


def make_plan(
    dataset: Dataset, make_recipe: MakeRecipe, out: Path, *, seed: int, log_dir: Path, resume: bool, all_data: bool
) -> Plan:
    """Split the data, make room for the package and open the log directory.

    With `all_data` the package is fitted on the test period too, and cannot be evaluated on this data.

    Raises:
        InputError: the data cannot be split or learned from, `log_dir` is something else, or the resumed run had other
            data, recipe or seed.
        PackageError: `out` is something else.
    """
    prepare_target(out)
    recipe, splits = _recipe_and_splits(dataset, make_recipe, seed, all_data)
    settings = json.loads(json.dumps(asdict(recipe)))
    marker = {"fingerprint": dataset.fingerprint, "recipe": settings, "seed": seed, "all_data": all_data}
    open_run(log_dir, marker, resume=resume)
    return Plan(
        dataset=dataset,
        recipe=recipe,
        protocol=find_protocol(recipe.protocol).describe(dataset),
        settings=settings,
        splits=splits,
        out=out,
        log_dir=log_dir,
        resume=resume,
        seed=seed,
    )


def _recipe_and_splits(dataset: Dataset, make_recipe: MakeRecipe, seed: int, all_data: bool) -> tuple[Recipe, Splits]:
    # The protocol is the recipe's, and its shape that of the protocol's data: only the name is asked for beforehand.
    whole = shape_of(dataset)
    protocol = find_protocol(make_recipe(whole).protocol)
    shape = shape_of(protocol.choosing(dataset))
    recipe = make_recipe(shape)
    _check(recipe, shape, dataset.description.name)
    budget = recipe.budget
    limits = Limits(validation_users=budget.validation_users, stacking_users=budget.stacking_users, seed=seed)
    return recipe, protocol.training(dataset, limits, all_data=all_data)


def _check(recipe: Recipe, shape: Shape, data: str) -> None:
    names = [part.name for part in recipe.sources]
    if not names or len({part.name for part in recipe.parts}) < len(recipe.parts):
        raise InputError(f"recipe {recipe.name!r}: it must have sources, and every part a name of its own; got {names}")
    if recipe.fallback and recipe.fallback not in names:
        raise InputError(f"recipe {recipe.name!r}: the fallback {recipe.fallback!r} is none of {names}")
    for part in recipe.parts:
        missing = find_family(part.family).needs - shape.has
        if missing:
            needed = ", ".join(sorted(missing))
            raise InputError(f"{data}: {part.name} ({part.family}) needs {needed}; the data has none")
