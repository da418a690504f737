"""The small package opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist_server.catalog.package import Package, open_package


@pytest.fixture(scope="session")
def package(package_dir: Path) -> Package:
    return open_package(package_dir)
