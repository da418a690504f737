"""From fitted models to a package: ONNX with a parity check, golden requests, manifest.

B users, L history positions, C candidates, S sources, D dimensions.
"""

import contextlib
import datetime
import io
import logging
import re
import secrets
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.queries import Queries
from shortlist_training.errors import InputError
from shortlist_training.funnel import Funnel
from shortlist_training.golden import golden_requests
from shortlist_training.models.ranker.attention import ExportedRanker
from shortlist_training.models.two_tower.towers import ExportedUserTower
from shortlist_training.package import ITEMS, Draft, Package
from shortlist_training.recipes import Recipe
from shortlist_training.sessions import OnnxRanker, OnnxUserTower

PARITY_TOLERANCE = 1e-4
_NUM_PARITY_USERS = 64


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """Everything that goes into a package.

    Attributes:
        funnel: the sources with the fusion weights, as fitted before `train_until`.
        evaluation: the manifest's list of protocols with their results.
        queries: real users at `train_until`, for the parity check and the golden requests.
    """

    dataset: Dataset
    recipe: Recipe
    train_until: int
    funnel: Funnel
    user_tower: ExportedUserTower
    ranker: ExportedRanker
    evaluation: Sequence[dict[str, object]]
    queries: Queries


def write_package(fitted: Fitted, draft: Draft, console: Console) -> str:
    """Fill the draft and publish it; returns the package id.

    Raises:
        InputError: an exported graph differs from PyTorch by more than PARITY_TOLERANCE.
    """
    recipe, funnel = fitted.recipe, fitted.funnel
    entries = [
        {**source.export(draft), "weight": weight}
        for source, weight in zip(funnel.sources, funnel.weights, strict=True)
    ]
    draft.add_items(fitted.dataset.items)
    draft.add_json("statistics.json", "statistics", _statistics(fitted))
    models = [_export_user_tower(fitted, draft, console), _export_ranker(fitted, draft, console)]
    package_id, created = _identity(fitted.dataset.description.name)
    manifest: dict[str, Any] = {
        "schema_version": 1,
        "name": _slug(fitted.dataset.description.name),
        "package_id": package_id,
        "created": created,
        "data": _data(fitted),
        "evaluation": list(fitted.evaluation),
        "max_history": recipe.max_history,
        "sources": entries,
        "fusion": {"method": "weighted", "norm": "minmax"},
        "num_candidates": funnel.num_candidates,
        "ranker": {"model": "ranker", "heads": [{"name": fitted.dataset.target_name, "weight": 1.0}]},
        "rerank": {"vectors": "two_tower"},
        "models": models,
        "golden": "golden.json",
    }
    written = Package(draft.path, manifest, pl.read_parquet(draft.path / ITEMS))
    draft.add_json("golden.json", "golden", golden_requests(written, fitted.dataset, fitted.train_until))
    draft.publish(manifest)
    return package_id


def _export_user_tower(fitted: Fitted, draft: Draft, console: Console) -> dict[str, object]:
    histories_BL = fitted.queries.history_items_BL[:_NUM_PARITY_USERS]
    path = draft.add(
        "models/user_tower/model.onnx",
        "model",
        lambda target: _to_onnx(
            fitted.user_tower,
            {"history_items": torch.from_numpy(histories_BL)},
            {"history_items": {0: torch.export.Dim("batch")}},
            "user_vector",
            target,
        ),
    )
    with torch.no_grad():
        expected = fitted.user_tower(torch.from_numpy(histories_BL)).numpy()
    _check_parity("user_tower", expected, OnnxUserTower(path)(histories_BL), console)
    length, dim = histories_BL.shape[1], expected.shape[1]
    return {
        "role": "user_tower",
        "path": "models/user_tower/model.onnx",
        "inputs": [_tensor("history_items", "int64", ["batch", length], "history.items")],
        "outputs": [_tensor("user_vector", "float32", ["batch", dim])],
    }


def _export_ranker(fitted: Fitted, draft: Draft, console: Console) -> dict[str, object]:
    inputs = _ranker_inputs(fitted)
    batch, candidates = torch.export.Dim("batch"), torch.export.Dim("candidates")
    dynamic = {
        "history_items": {0: batch},
        "history_recency_days": {0: batch},
        "candidate_items": {0: batch, 1: candidates},
        "retrieval_scores": {0: batch, 1: candidates},
    }
    path = draft.add(
        "models/ranker/model.onnx",
        "model",
        lambda target: _to_onnx(fitted.ranker, inputs, dynamic, "probabilities", target),
    )
    with torch.no_grad():
        expected = fitted.ranker(**inputs).numpy()
    found = OnnxRanker(path, [1.0])(*(value.numpy() for value in inputs.values()))
    _check_parity("ranker", expected[:, :, 0], found, console)
    length, sources = inputs["history_items"].shape[1], inputs["retrieval_scores"].shape[2]
    return {
        "role": "ranker",
        "path": "models/ranker/model.onnx",
        "inputs": [
            _tensor("history_items", "int64", ["batch", length], "history.items"),
            _tensor("history_recency_days", "float32", ["batch", length], "history.recency_days"),
            _tensor("candidate_items", "int64", ["batch", "candidates"], "candidate.items"),
            _tensor("retrieval_scores", "float32", ["batch", "candidates", sources], "candidate.retrieval_scores"),
        ],
        "outputs": [_tensor("probabilities", "float32", ["batch", "candidates", 1])],
    }


def _ranker_inputs(fitted: Fitted) -> dict[str, Tensor]:
    queries = fitted.queries.slice(0, _NUM_PARITY_USERS)
    _, rows_BC = fitted.funnel.fuse(fitted.funnel.retrieve(queries))
    return {
        "history_items": torch.from_numpy(queries.history_items_BL),
        "history_recency_days": torch.from_numpy(queries.history_recency_BL),
        "candidate_items": torch.from_numpy(rows_BC + 1),
        "retrieval_scores": torch.from_numpy(fitted.funnel.scores(queries, rows_BC)),
    }


def _to_onnx(
    module: nn.Module, inputs: dict[str, Tensor], dynamic: dict[str, dict[int, Any]], output: str, target: Path
) -> None:
    with _quiet():
        program = torch.onnx.export(
            module,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=dynamic,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.save(target, external_data=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns about its own dependencies."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_parity(role: str, expected: NDArray[np.float32], found: NDArray[np.float32], console: Console) -> None:
    difference = float(np.abs(expected - found).max())
    console.print(
        f"  {role}: ONNX against PyTorch on {len(expected)} real histories: largest difference {difference:.1e}",
        highlight=False,
        soft_wrap=True,
    )
    if not difference <= PARITY_TOLERANCE:
        raise InputError(f"{role}: the ONNX graph differs from PyTorch by {difference:.1e}, over {PARITY_TOLERANCE}")


def _tensor(name: str, dtype: str, shape: list[object], feature: str | None = None) -> dict[str, object]:
    return {"name": name, **({"feature": feature} if feature else {}), "dtype": dtype, "shape": shape}


def _statistics(fitted: Fitted) -> dict[str, int]:
    dataset = fitted.dataset
    until = dataset.until(fitted.train_until)
    return {
        "num_users": len(np.unique(dataset.users[:until])),
        "num_items": dataset.num_items,
        "num_events": until,
        "first_timestamp": int(dataset.timestamps[0]),
        "last_timestamp": int(dataset.timestamps[until - 1]),
        "train_until": fitted.train_until,
    }


def _data(fitted: Fitted) -> dict[str, object]:
    dataset = fitted.dataset
    return {
        "fingerprint": dataset.fingerprint,
        "num_users": dataset.num_users,
        "num_items": dataset.num_items,
        "num_events": dataset.num_events,
        "first_timestamp": int(dataset.timestamps[0]),
        "last_timestamp": int(dataset.timestamps[-1]),
        "train_until": fitted.train_until,
        "licence": dataset.description.licence,
        "attribution": dataset.description.attribution,
    }


def _identity(name: str) -> tuple[str, str]:
    now = datetime.datetime.now(datetime.UTC)
    package_id = f"{_slug(name)}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    return package_id, f"{now:%Y-%m-%dT%H:%M:%SZ}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "data"
