"""DLPack as NumPy offers it: the same structures as on a device, in the memory of the host."""

import gc
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")


def imported(array: Any) -> Any:
    from shortlist_kernels.cuda.dlpack import Imported

    return Imported(array, device="cpu")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8])
def test_an_array_is_shown_with_its_type_shape_and_strides(dtype: type) -> None:
    array: NDArray[Any] = np.arange(24).astype(dtype).reshape(4, 6)[::2, 1:]
    holder = imported(array)
    shown = holder.__cuda_array_interface__
    assert (shown["shape"], shown["strides"]) == (array.shape, array.strides)
    assert (shown["data"][0], np.dtype(shown["typestr"])) == (array.ctypes.data, array.dtype)
    again = np.asarray(SimpleNamespace(__array_interface__=shown))
    assert again.tolist() == array.tolist()


def test_the_producer_gets_its_memory_back_when_the_view_is_gone() -> None:
    array = np.ones(3)
    before = sys.getrefcount(array)
    holder = imported(array)
    assert sys.getrefcount(array) > before
    del holder
    gc.collect()
    assert sys.getrefcount(array) == before


def test_a_type_without_a_name_is_refused_and_given_back() -> None:
    array = np.ones(3, np.complex64)
    before = sys.getrefcount(array)
    with pytest.raises(ValueError, match=r"DLPack type \(code 5"):
        imported(array)
    gc.collect()
    assert sys.getrefcount(array) == before


def test_the_place_of_the_memory_is_asked_for() -> None:
    from shortlist_kernels.cuda import dlpack

    assert dlpack.is_on(np.ones(2), "cpu")
    assert not dlpack.is_on(np.ones(2), "cuda")
    assert dlpack.is_on(SimpleNamespace(__dlpack_device__=lambda: (2, 0)), "cuda")
    assert not dlpack.is_on([1, 2], "cpu")
