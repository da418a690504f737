"""Asking for a GPU, and what is said where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[3] / "kernels"
IMPORT = "import shortlist_kernels as k; print(k.isa_info()['backend'])"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def last_line(finished: subprocess.CompletedProcess[str]) -> str:
    return finished.stderr.strip().splitlines()[-1]


def test_the_package_does_without_numba() -> None:
    code = f"import sys; {IMPORT}; print('numba' in sys.modules)"
    assert run(code, SHORTLIST_DEVICE="").stdout.split() == ["cpu", "False"]


def test_an_unknown_device_is_named() -> None:
    assert last_line(run(IMPORT, SHORTLIST_DEVICE="tpu")) == (
        "ValueError: SHORTLIST_DEVICE must be one of cpu, cuda, got 'tpu'"
    )


def test_without_numba_the_error_says_what_to_install() -> None:
    hide = "import sys; sys.modules['numba'] = None; "
    line = last_line(run(hide + IMPORT, SHORTLIST_DEVICE="cuda"))
    assert line.startswith("ImportError: computing on a GPU needs numba-cuda: pip install 'shortlist[cuda]' (")


def test_without_a_gpu_the_error_says_why() -> None:
    cuda = pytest.importorskip("shortlist_kernels.cuda", reason="numba-cuda is not installed", exc_type=ImportError)
    if cuda.why_unavailable() is None:
        pytest.skip("there is a GPU")
    line = last_line(run(IMPORT, SHORTLIST_DEVICE="cuda"))
    assert line == f"RuntimeError: no GPU can be used: {cuda.why_unavailable()}"
    assert len(cuda.why_unavailable()) > 10


def test_the_benchmark_says_what_it_lacks() -> None:
    cuda = pytest.importorskip("shortlist_kernels.cuda", reason="numba-cuda is not installed", exc_type=ImportError)
    if cuda.why_unavailable() is None:
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "benchmarks.cuda_search"]
    finished = subprocess.run(command, cwd=KERNELS, capture_output=True, text=True, timeout=120, check=False)
    (line,) = finished.stdout.splitlines()
    assert line.startswith("nothing measured on a GPU: ")
    assert finished.returncode == 0


def test_the_device_asked_for_computes() -> None:
    pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")
    code = IMPORT + "; import numpy as np; print(k.topk(np.array([3.0, 5.0, 4.0]), 2)[1].tolist())"
    finished = run(code, SHORTLIST_DEVICE="cuda", NUMBA_ENABLE_CUDASIM="1")
    assert finished.stdout.splitlines() == ["cuda", "[1, 2]"], finished.stderr
