"""What tests of the whole share: one run of the demo, and a server on its package."""

from collections.abc import Iterator

import pytest

from shortlist.cli.demo import server
from tests.demo_run import DemoRun, processes_about, run_shortlist


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The demo as `make demo` runs it, in a directory of its own; once per test run."""
    directory = tmp_path_factory.mktemp("demo")
    finished = run_shortlist("demo", "--dir", str(directory))
    return DemoRun(directory, finished.stdout, finished.stderr, finished.returncode, processes_about(directory))


@pytest.fixture(scope="session")
def demo_server(demo: DemoRun) -> Iterator[str]:
    """HOST:PORT of a server on the demo's package and on the events that the demo recorded."""
    log = demo.directory / "tests-server.log"
    arguments = ("serve", "--package", str(demo.package), "--state", str(demo.directory / "state"), "--port", "0")
    with server(arguments, log) as target:
        yield target
