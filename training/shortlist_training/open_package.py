"""A package's files to the offline funnel, as the server builds its own."""

from typing import Any

from shortlist_training.errors import InputError
from shortlist_training.funnel import Funnel
from shortlist_training.models import Source
from shortlist_training.models.item_neighbours import ItemNeighbours
from shortlist_training.models.popular import Popular
from shortlist_training.models.two_tower import TwoTower
from shortlist_training.package import Package
from shortlist_training.sessions import OnnxRanker, OnnxUserTower


def open_funnel(package: Package) -> Funnel:
    """Sources, fusion and ranker from the manifest and its files; InputError for a source type that is unknown here."""
    manifest = package.manifest
    ranker = manifest["ranker"]
    return Funnel(
        sources=[_source(package, entry) for entry in manifest["sources"]],
        weights=[entry["weight"] for entry in manifest["sources"]],
        num_candidates=manifest["num_candidates"],
        allowed_N=package.items["available"].to_numpy(),
        rank=OnnxRanker(package.model(ranker["model"]), [head["weight"] for head in ranker["heads"]]),
    )


def _source(package: Package, entry: dict[str, Any]) -> Source:
    if entry["type"] == "two_tower":
        return TwoTower(OnnxUserTower(package.model(entry["model"])), package.vectors(entry["vectors"]))
    if entry["type"] == "item_neighbours":
        return ItemNeighbours(package.neighbours(entry["neighbours"]), entry["history_decay"])
    if entry["type"] == "popular":
        return Popular(package.items["popularity"].to_numpy())
    raise InputError(f"{package.path}: source {entry['name']!r} has the unknown type {entry['type']!r}")
