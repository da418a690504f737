"""From fitted models to a package: their files, the catalogue, the manifest, golden requests; published at once.

No family is known here. N items.
"""

import datetime
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray
from rich.console import Console

from shortlist.package.strings import clean, cut
from shortlist.package.writer import MAX_CATEGORY_BYTES
from shortlist.v1 import manifest_pb2 as manifest
from shortlist.v1.recommendation_pb2 import FUSION_METHOD_WEIGHTED, NORMALISATION_MIN_MAX, Fusion
from shortlist.vocabulary import MAX_TITLE_BYTES
from shortlist_kernels import isa_info
from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Lists
from shortlist_training.data.queries import Split, Task, sample_queries
from shortlist_training.funnel import Funnel
from shortlist_training.golden import golden_requests
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, RankerModel
from shortlist_training.models.stacking import stack
from shortlist_training.open_package import open_draft
from shortlist_training.plan import Plan
from shortlist_training.recipes import Part

LIBRARIES: Final = ("torch", "pytorch-lightning", "numpy", "polars", "onnx", "onnxscript", "shortlist")
_NUM_PARITY_USERS: Final = 1_000  # "the same top 10 for 99.9 % of users" then means: but for one
_MAX_NAME: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trained:
    """Everything that goes into a package.

    Attributes:
        models: of each source, in the order of the manifest, fitted on `plan.splits.refit`.
        funnel: of these models, with the weights of the fusion.
        notes: what was chosen for each part by what, and the seconds that it took.
        results: the metrics of every scorer on the users on whom nothing was chosen.
    """

    plan: Plan
    models: Sequence[Model]
    funnel: Funnel
    ranker: RankerModel | None
    notes: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Mapping[str, float]]


def write_package(trained: Trained, started: float, console: Console) -> str:
    """Write and publish the package; returns its id. `started`: when the run began, by time.monotonic.

    Raises:
        GateError: an exported graph does not answer as PyTorch does.
        PackageError: the package cannot be written.
    """
    plan = trained.plan
    refit = plan.splits.refit
    queries = sample_queries(refit, _NUM_PARITY_USERS, plan.seed)

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    with ModelDraft(plan.out, queries, say) as draft:
        draft.numeric.update(_attributes(plan.dataset))
        entry = _identity(plan.dataset.description.name)
        entry.sources.extend(_sources(trained, draft))
        if trained.ranker is not None and plan.recipe.ranker is not None:
            entry.ranker.CopyFrom(_ranker(trained, plan.recipe.ranker, trained.ranker, draft))
        entry.items.CopyFrom(_items(plan.dataset, draft))
        entry.spaces.extend(draft.spaces)
        entry.fusion.CopyFrom(Fusion(method=FUSION_METHOD_WEIGHTED, normalisation=NORMALISATION_MIN_MAX))
        entry.num_candidates = trained.funnel.num_candidates
        entry.fallback_source = plan.recipe.fallback
        if plan.recipe.rerank_space:
            entry.rerank.space = plan.recipe.rerank_space
        entry.data.CopyFrom(_data(plan.dataset, refit))
        entry.evaluations.append(_evaluation(trained))
        draft.add_golden(golden_requests(open_draft(draft.path, entry), refit))
        entry.training.CopyFrom(_training(plan, time.monotonic() - started))
        draft.publish(entry)
    return entry.id


def _sources(trained: Trained, draft: ModelDraft) -> list[manifest.Source]:
    entries = []
    parts = zip(trained.plan.recipe.sources, trained.models, trained.funnel.weights, strict=True)
    for part, model, weight in parts:
        entry = model.export(draft)
        entry.family, entry.weight = part.family, weight
        entry.training.CopyFrom(_struct({**model.describe(), **trained.notes[part.name]}))
        entries.append(entry)
    return entries


def _ranker(trained: Trained, part: Part, ranker: RankerModel, draft: ModelDraft) -> manifest.Ranker:
    nothing = Lists(np.zeros(len(draft.queries) + 1, np.int64), np.empty(0, np.int32))
    split = Split("package", trained.plan.splits.refit, Task(draft.queries, nothing))
    lists = trained.funnel.retrieve(draft.queries)
    entry = ranker.export(draft, stack(split, trained.funnel, trained.models, lists))
    entry.training.CopyFrom(_struct({"family": part.family, **ranker.describe(), **trained.notes[part.name]}))
    return entry


def _attributes(dataset: Dataset) -> dict[str, NDArray[np.float64]]:
    """The numeric columns of the items, NaN where unknown: price and whatever else the data has."""
    columns = [name for name, dtype in dataset.items.schema.items() if dtype.is_float()]
    return {name: dataset.items[name].fill_null(np.nan).to_numpy().astype(np.float64) for name in columns}


def _items(dataset: Dataset, draft: ModelDraft) -> manifest.Items:
    items = dataset.items
    return draft.add_items(
        items["item_id"].to_list(),
        titles=[_text(title, MAX_TITLE_BYTES) for title in items["title"]],
        available_N=items["available"].to_numpy(),
        categories=[_categories(names) for names in items["categories"]],
        numeric=draft.numeric,
    )


def _text(text: str, max_bytes: int) -> str:
    """As a package may hold it: without control characters, and of bounded length."""
    return cut(clean(text), max_bytes).strip()


def _categories(joined: str) -> list[str]:
    names = (_text(name, MAX_CATEGORY_BYTES) for name in joined.split("|"))
    return [name for name in names if name]


def _data(dataset: Dataset, refit: Dataset) -> manifest.TrainingData:
    return manifest.TrainingData(
        fingerprint=dataset.fingerprint,
        num_users=dataset.num_users,
        num_events=dataset.num_events,
        first_timestamp=int(dataset.timestamps[0]),
        last_timestamp=int(dataset.timestamps[-1]),
        train_until=refit.as_of,
        licence=dataset.description.licence,
        attribution=dataset.description.attribution,
    )


def _training(plan: Plan, seconds: float) -> manifest.Training:
    return manifest.Training(
        recipe=plan.recipe.name,
        seed=plan.seed,
        settings=_struct(plan.settings),
        libraries=[manifest.Library(name=name, version=version(name)) for name in LIBRARIES],
        instruction_set=str(isa_info()["isa"]),
        num_threads=plan.recipe.budget.num_threads,
        seconds=seconds,
    )


def _evaluation(trained: Trained) -> manifest.Evaluation:
    plan = trained.plan
    results = [
        manifest.ScorerResult(
            scorer=scorer, metrics=[manifest.MetricValue(name=name, value=value) for name, value in metrics.items()]
        )
        for scorer, metrics in trained.results.items()
    ]
    split = plan.splits.calibration
    fields = {**plan.protocol, "cutoff": plan.recipe.cutoff, "num_users": len(split.task)}
    return manifest.Evaluation(protocol=plan.recipe.protocol, split=split.name, fields=_struct(fields), results=results)


def _struct(values: Mapping[str, object]) -> Struct:
    """Plain values as JSON knows them; a number that is not finite would be refused with the manifest."""
    struct = Struct()
    struct.update(json.loads(json.dumps(values, allow_nan=False)))
    return struct


def _identity(name: str) -> manifest.Manifest:
    now = datetime.datetime.now(datetime.UTC)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX_NAME].strip("-") or "data"
    created = Timestamp()
    created.FromDatetime(now)
    return manifest.Manifest(name=slug, id=f"{slug}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", created=created)
