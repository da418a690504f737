"""The interface of a source, and those that a package has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shortlist_server.pipeline.batch import Asked, Profiles

if TYPE_CHECKING:
    from shortlist_server.catalog.package import Package


class Source(Protocol):
    """A source of the package."""

    @property
    def name(self) -> str:
        """Its name in the manifest, in requests and in replies."""
        ...

    @property
    def weight(self) -> float:
        """Its weight in the fusion, unless the request says otherwise."""
        ...

    @property
    def needs_history(self) -> bool:
        """True when it has nothing to say about a user without history."""
        ...

    def ask(self, profiles: Profiles) -> Asked:
        """Do once what depends on the users only."""
        ...


def build_sources(package: Package) -> tuple[Source, ...]:
    """The sources of the manifest, in its order, which is also that of `candidate.retrieval_scores`."""
    from shortlist_server.pipeline.sources.item_neighbours import ItemNeighbours
    from shortlist_server.pipeline.sources.popular import Popular
    from shortlist_server.pipeline.sources.two_tower import TwoTower

    sources: list[Source] = []
    for spec in package.manifest.sources:
        if spec.type == "two_tower":
            tower, items = package.models[spec.model], package.vectors[spec.vectors]
            sources.append(TwoTower(spec, tower, items, package.num_threads))
        elif spec.type == "item_neighbours":
            sources.append(ItemNeighbours(spec, package.neighbours[spec.neighbours]))
        else:
            sources.append(Popular(spec.name, spec.weight, package.catalog.popularity))
    return tuple(sources)
