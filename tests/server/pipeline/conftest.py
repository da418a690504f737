"""The small package opened, and the pipeline over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from shortlist_server.batching.deadline import Task
from shortlist_server.catalog.package import Package, open_package
from shortlist_server.pipeline.decoding.defaults import Defaults
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.state.lmdb_store import LmdbStore

Ask: TypeAlias = Callable[[Any], Any]


@pytest.fixture(scope="session")
def package(package_dir: Path) -> Package:
    return open_package(package_dir)


@pytest.fixture(scope="session")
def defaults(package: Package) -> Defaults:
    return Defaults.of(package)


@pytest.fixture(scope="session")
def pipeline(package: Package) -> Iterator[Pipeline]:
    opened = Pipeline(package, None)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    opened = LmdbStore(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def ask(pipeline: Pipeline) -> Ask:
    """Answers one request with nobody else in the batch; raises its error."""

    def one(request: Any) -> Any:
        outcome = pipeline.run([Task(request)])[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return one
