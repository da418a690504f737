"""Arrays of others. In the simulator the memory of the device is the host's, so NumPy's can stand for a device's."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist_kernels.arrays import Float32
from tests.kernels.search_cases import assert_same, vectors_of


def in_simulator() -> bool:
    from shortlist_kernels.cuda import backend

    return backend.SIMULATED


class ByInterface:
    """Has nothing but the CUDA array interface of an array, which it owns."""

    def __init__(self, array: NDArray[Any]) -> None:
        from shortlist_kernels.cuda import backend

        self.array = array if backend.SIMULATED else backend.upload(array)
        own: Any = self.array
        interface = own.__array_interface__ if backend.SIMULATED else own.__cuda_array_interface__
        self.__cuda_array_interface__ = {**interface, "stream": None}


class FakeOrtValue:
    """What `OrtOutput` asks of an OrtValue."""

    def __init__(self, array: NDArray[Any], element_type: int) -> None:
        from shortlist_kernels.cuda import interop

        self.array, self._element_type, self._device = ByInterface(array), element_type, interop.DEVICE

    def data_ptr(self) -> int:
        address: int = self.array.__cuda_array_interface__["data"][0]
        return address

    def element_type(self) -> int:
        return self._element_type

    def data_type(self) -> str:
        return "tensor(something)"

    def device_name(self) -> str:
        return self._device

    def shape(self) -> list[int]:
        return list(self.array.__cuda_array_interface__["shape"])


@pytest.fixture
def vectors_ND() -> Float32:
    return vectors_of("normal", np.random.default_rng(0), 30, 4)


@pytest.mark.parametrize("wrap", [ByInterface, lambda array: FakeOrtValue(array, 1)])
def test_what_lies_on_the_device_is_searched_there(wrap: Any, vectors_ND: Float32) -> None:
    from shortlist_kernels.cuda import DeviceIndex, backend

    expected = DeviceIndex(np.arange(30), vectors_ND).search(vectors_ND[:2], 3, bias=vectors_ND[:, 0].copy())
    index = DeviceIndex(wrap_ids(wrap, np.arange(30)), wrap(vectors_ND))
    found = index.search(wrap(vectors_ND[:2].copy()), 3, bias=wrap(vectors_ND[:, 0].copy()))
    assert all(backend.is_device_array(part) for part in found)
    assert_same(tuple(backend.download(part) for part in found), expected)


def wrap_ids(wrap: Any, ids: NDArray[np.int64]) -> Any:
    return ByInterface(ids) if wrap is ByInterface else FakeOrtValue(ids, 7)


def test_results_of_the_device_feed_the_other_operations(vectors_ND: Float32) -> None:
    from shortlist_kernels.cuda import DeviceIndex, backend, fuse, mmr, topk

    on_device = backend.upload(vectors_ND)
    scores, ids = DeviceIndex(np.arange(30), on_device, "cosine").search(on_device[:2], 5)
    fused_scores, fused_ids = fuse([ids, ids], [scores, scores], 3, "max")
    best, _ = topk(scores, 3)
    assert_same((backend.download(fused_scores),), (backend.download(best),))
    assert backend.download(fused_ids).tolist() == backend.download(ids)[:, :3].tolist()
    order, lost = mmr(on_device[:5], backend.download(scores)[0], 5, 0.0)
    assert backend.is_device_array(order)
    assert backend.download(order).tolist() == [0, 1, 2, 3, 4]
    assert backend.download(lost).item() == 0.0


def test_an_onnxruntime_output_is_shown_where_it_lies(vectors_ND: Float32) -> None:
    from shortlist_kernels.cuda.interop import OrtOutput, is_on_device

    value = FakeOrtValue(vectors_ND, 1)
    assert is_on_device(value)
    output = OrtOutput(value)
    assert output.__cuda_array_interface__ == {
        "version": 3,
        "shape": (30, 4),
        "strides": None,
        "typestr": "<f4",
        "data": (value.data_ptr(), False),
    }
    with pytest.raises(ValueError, match=r"an OrtValue of tensor\(something\) is not supported"):
        OrtOutput(FakeOrtValue(vectors_ND, 10))
    value._device = "somewhere else"
    assert not is_on_device(value)


def test_a_view_keeps_the_output_alive(vectors_ND: Float32) -> None:
    from shortlist_kernels.cuda.interop import on_device

    value = FakeOrtValue(vectors_ND, 1)
    alive = weakref.ref(value)
    view = on_device("queries", value)
    del value
    gc.collect()
    assert alive() is not None
    assert view.copy_to_host().tobytes() == vectors_ND.tobytes()
    del view
    gc.collect()
    assert alive() is None


def test_outputs_that_a_session_bound_are_searched(vectors_ND: Float32) -> None:
    """With onnxruntime's own objects, on the CPU, whose memory is the simulated device's."""
    if not in_simulator():
        pytest.skip("onnxruntime may have no CUDA provider here")
    onnxruntime = pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx.helper")
    from shortlist_kernels.cuda import DeviceIndex, backend

    kinds = [helper.make_tensor_value_info(name, 1, [None, 4]) for name in ("history", "user")]
    graph = helper.make_graph([helper.make_node("Neg", ["history"], ["user"])], "tower", kinds[:1], kinds[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("history", vectors_ND[:2])
    binding.bind_output("user", "cpu")
    session.run_with_iobinding(binding)
    (output,) = binding.get_outputs()
    index = DeviceIndex(np.arange(30), vectors_ND)
    found = index.search(output, 3)
    assert all(backend.is_device_array(part) for part in found)
    assert_same(tuple(backend.download(part) for part in found), index.search(-vectors_ND[:2], 3))


def test_bad_values_on_the_device_are_named() -> None:
    from shortlist_kernels.cuda import DeviceIndex, backend

    vectors = np.ones((3, 2), np.float32)
    vectors[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"vectors must be finite, got nan at position \(2, 1\)"):
        DeviceIndex(np.arange(3), backend.upload(vectors))
    with pytest.raises(ValueError, match=r"vectors must be float32 of shape \(3, D\), got float64"):
        DeviceIndex(np.arange(3), backend.upload(np.ones((3, 2))))
    with pytest.raises(ValueError, match="vectors must be contiguous, got strides"):
        DeviceIndex(np.arange(2), backend.upload(np.ones((2, 4), np.float32))[:, :2])
