import os
import subprocess
import sys

import numpy as np
import pytest

from shortlist_kernels import dispatch, isa_info
from shortlist_kernels.reference import lane_sum

PRINT_ISA = "import shortlist_kernels as k; print(k.isa_info()['backend'], k.isa_info()['isa'], k.isa_info()['forced'])"
SEARCH_AFTER_FORK = """
import os
import numpy as np
from shortlist_kernels import VectorIndex
index = VectorIndex(4)
index.add(np.arange(2000), np.random.default_rng(0).standard_normal((2000, 4), np.float32))
query = np.ones((1, 4), np.float32)
before = index.search(query, 5, num_threads=4)[1].tolist()
child = os.fork()
if child == 0:
    os._exit(0 if index.search(query, 5, num_threads=4)[1].tolist() == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_compiled_backend_is_there_and_chosen() -> None:
    assert isa_info()["available"][-2:] == ["baseline", "reference"]
    assert dispatch.available_backends()["baseline"].name == "cpu"


@pytest.mark.parametrize("isa", list(dispatch.available_backends()))
def test_the_environment_forces_any_instruction_set_of_the_machine(isa: str) -> None:
    expected = "reference numpy True" if isa == "reference" else f"cpu {isa} True"
    assert run(PRINT_ISA, SHORTLIST_ISA=isa).stdout.strip() == expected


def test_the_best_instruction_set_is_chosen_by_itself() -> None:
    best = isa_info()["available"][0]
    assert run(PRINT_ISA, SHORTLIST_ISA="").stdout.strip() == f"cpu {best} False"


def test_an_unknown_instruction_set_is_named() -> None:
    error = run(PRINT_ISA, SHORTLIST_ISA="mmx").stderr
    assert "ValueError: SHORTLIST_ISA must be one of" in error
    assert error.rstrip().endswith("got 'mmx'")


def test_without_the_compiled_module_the_error_says_what_to_do() -> None:
    hide = "import sys; sys.modules['shortlist_kernels.cpu._cpu'] = None; "
    assert "ImportError: shortlist_kernels is not compiled: run `make install`" in run(hide + PRINT_ISA).stderr


def test_search_works_after_fork() -> None:
    assert run(SEARCH_AFTER_FORK).stdout.strip() == "0"


def test_sums_follow_the_documented_tree() -> None:
    tiny = 2.0**-53  # lost when added to 1 alone, kept when two of them meet first
    assert lane_sum(np.array([1, 0, tiny, 0, 0, 0, tiny, 0])) == 1 + 2 * tiny
    assert lane_sum(np.array([1, 0, tiny, 0, tiny, 0, 0, 0])) == 1
    assert lane_sum(np.array([1.0, 2, 3])) == 6
