"""What the tests of the package format share: one whole package."""

from pathlib import Path

import pytest

from tests.protos.package.small_package import write_package


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of five items."""
    return write_package(tmp_path / "package")
