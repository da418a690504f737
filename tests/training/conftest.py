"""One training run that many tests look at: the small shop, the default recipe, through the real command."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.demo_run import run_shortlist
from tests.training.shop import shop_events, write_events, write_items


@dataclass(frozen=True)
class Trained:
    """Where the shop's data, its package and its logs are, and what the command printed."""

    data: Path
    package: Path
    logs: Path
    output: str


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of the small shop."""
    directory = tmp_path_factory.mktemp("shop")
    write_events(directory, shop_events())
    return write_items(directory)


@pytest.fixture(scope="session")
def trained(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`shortlist train` on the small shop."""
    package = tmp_path_factory.mktemp("trained") / "package"
    finished = run_shortlist("train", "--data", str(shop), "--out", str(package))
    assert finished.returncode == 0, finished.stderr
    return Trained(shop, package, package.parent / "package.training", finished.stdout)
