"""The tests of on_device/ in numba's simulator, in other processes: numba decides at import whether it simulates."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")

ROOT = Path(__file__).parents[3]


TESTS = "tests/kernels/cuda/on_device"


@pytest.mark.parametrize(("form", "tests"), [("block", TESTS), ("warp", f"{TESTS}/test_forms.py")])
def test_every_operation_equals_the_reference(form: str, tests: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.kernels.cuda.simulator", tests],
        cwd=ROOT,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "SIMULATED_FORM": form},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert " passed" in finished.stdout
    assert " skipped" not in finished.stdout
