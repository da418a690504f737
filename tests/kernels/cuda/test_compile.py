"""Every kernel, in both forms, compiled for real capabilities without a GPU, and assembled where there is a ptxas."""

import importlib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")

KERNELS = Path(__file__).parents[3] / "kernels"
OF_SEARCH = {"scan", "filter_products", "describe_items", "describe_queries", "rescore", "select_best", "write_scores"}
FREE_TO_FUSE = {"scan", "filter_products", "describe_queries"}  # they compute bounds, not results


@pytest.fixture(scope="module")
def report() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(KERNELS))
        return importlib.import_module("benchmarks.cuda_report")


@pytest.fixture(scope="module")
def assembled(report: Any) -> Any:
    return list(report.assemble_all())


def test_every_kernel_compiles_in_both_forms_for_each_capability(assembled: Any) -> None:
    from shortlist_kernels.cuda.backend import KERNELS

    compiled = {(one.kernel, one.form, one.capability) for one in assembled}
    forms = {True: ("block", "warp"), False: ("any",)}
    assert compiled == {
        (name, form, capability)
        for name, kernel in KERNELS.items()
        for form in forms[kernel.uses_forms]
        for capability in ("sm_80", "sm_90")
    }
    assert {name for name, _, _ in compiled} >= OF_SEARCH


def test_kernels_of_search_spill_no_register(report: Any, assembled: Any) -> None:
    if report.assembler() is None:
        pytest.skip("there is no ptxas")
    assert [one for one in assembled if one.kernel in OF_SEARCH and one.spilled_bytes != 0] == []
    assert all(one.registers > 0 for one in assembled)


def test_results_round_each_product_by_itself(assembled: Any) -> None:
    """A product that is fused with a sum has other bits than the reference's."""
    assert {one.kernel for one in assembled if one.fuses_float64} <= FREE_TO_FUSE
