"""What the package says where a request says nothing, and the names that a request may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, cast

from shortlist.package.features import parse_feature
from shortlist.v1.manifest_pb2 import Manifest
from shortlist.vocabulary import DIVERSITY_METHODS, FUSION_METHODS, NORMALISATIONS, SEEN_POLICIES
from shortlist_server.catalog.package import Package
from shortlist_server.inference.graph import graphs_of
from shortlist_server.pipeline.query import DiversityName, FusionName, NormName, SeenPolicyName

# The words of an option by the number that the contract gives it.
FUSIONS: Final = {number: cast("FusionName", name) for name, number in FUSION_METHODS.items()}
NORMS: Final = {number: cast("NormName", name) for name, number in NORMALISATIONS.items()}
DIVERSITIES: Final = {number: cast("DiversityName", name) for name, number in DIVERSITY_METHODS.items()}
POLICIES: Final = {number: cast("SeenPolicyName", name) for name, number in SEEN_POLICIES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Weights by name, in the manifest's order. `context_numbers`: the names of numbers that a graph is fed with."""

    source_weights: Mapping[str, float]
    head_weights: Mapping[str, float]
    fusion: FusionName
    norm: NormName
    num_candidates: int
    attributes: frozenset[str]
    categories: frozenset[str]
    context_numbers: frozenset[str]

    @classmethod
    def of(cls, package: Package) -> Self:
        """Read them from the manifest and the catalogue."""
        manifest = package.manifest
        return cls(
            source_weights={source.name: source.weight for source in manifest.sources},
            head_weights={head.name: head.weight for head in manifest.ranker.heads},
            fusion=FUSIONS[manifest.fusion.method],
            norm=NORMS.get(manifest.fusion.normalisation, "minmax"),
            num_candidates=manifest.num_candidates,
            attributes=frozenset(manifest.items.numeric),
            categories=frozenset(package.catalog.category_names),
            context_numbers=frozenset(_context_numbers(manifest)),
        )


def _context_numbers(manifest: Manifest) -> set[str]:
    inputs = [entry for graph in graphs_of(manifest).values() for entry in graph.inputs]
    features = (parse_feature(entry.feature) for entry in inputs)
    return {feature.argument for feature in features if feature.name == "context"}
