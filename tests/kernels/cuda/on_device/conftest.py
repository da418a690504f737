"""What these tests need: a GPU, or the simulator in which tests/kernels/cuda/test_in_simulator.py runs them."""

import pytest


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips without one; makes searches small enough to go through several rounds."""
    cuda = pytest.importorskip("shortlist_kernels.cuda", reason="numba-cuda is not installed", exc_type=ImportError)
    if cuda.why_unavailable():
        pytest.skip(f"no GPU can be used: {cuda.why_unavailable()}")
    monkeypatch.setattr("shortlist_kernels.cuda.search.LEAST_ROOM", 16)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The simulator computes with NumPy's scalars, which warn of what a device does silently."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
