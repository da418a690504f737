"""Arrays in and out: NumPy's are copied, those on the device are used where they lie.

On the device is what has `__cuda_array_interface__` (Numba, CuPy, PyTorch), an onnxruntime `OrtValue`, as IOBinding's
`get_outputs()` gives them, or what offers `__dlpack__` there. Whoever made an array on a stream of his own without
telling so by one of these protocols waits for it first; onnxruntime does at the end of a run.
"""

from typing import Any

import numpy as np

from shortlist_kernels import checks
from shortlist_kernels.cuda import backend, dlpack
from shortlist_kernels.cuda.backend import DeviceArray
from shortlist_kernels.cuda.kernels.selecting import find_not_finite

# onnx.TensorProto.DataType
ELEMENT_TYPES = {1: "<f4", 2: "|u1", 6: "<i4", 7: "<i8", 9: "|b1", 11: "<f8"}
DEVICE = "cpu" if backend.SIMULATED else "cuda"  # the simulator's arrays lie in the memory of the host


class OrtOutput:
    """An onnxruntime OrtValue as a CUDA array interface; keeps the OrtValue, which owns the memory."""

    def __init__(self, value: Any) -> None:
        element_type = value.element_type()
        if element_type not in ELEMENT_TYPES:
            raise ValueError(f"an OrtValue of {value.data_type()} is not supported")
        self.owner = value
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": tuple(value.shape()),
            "strides": None,
            "typestr": ELEMENT_TYPES[element_type],
            "data": (value.data_ptr(), False),
        }


def is_on_device(value: Any) -> bool:
    """Whether `on_device` can take it where it lies."""
    if backend.is_device_array(value) or hasattr(value, "__cuda_array_interface__"):
        return True
    if _is_ort_value(value):
        return bool(value.device_name() == DEVICE)
    return dlpack.is_on(value, "cuda")


def on_device(name: str, value: Any) -> DeviceArray:
    """A view of what `is_on_device`; ValueError unless its values lie one behind the other, the last axis first."""
    if backend.is_device_array(value):
        array = value
    elif hasattr(value, "__cuda_array_interface__"):
        array = backend.view(value)
    else:
        array = backend.view(OrtOutput(value) if _is_ort_value(value) else dlpack.Imported(value))
    if not array.is_c_contiguous():
        raise ValueError(f"{name} must be contiguous, got strides {array.strides}")
    return array


def on_host(name: str, value: Any) -> Any:
    """A copy in NumPy of what is on the device; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(on_host(name, part) for part in value)
    return backend.download(on_device(name, value)) if is_on_device(value) else value


def shape_of(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an array on either side."""
    return tuple(on_device(name, value).shape) if is_on_device(value) else np.shape(value)


def float32s(name: str, value: Any, shape: tuple[int | str, ...]) -> tuple[DeviceArray, tuple[int, ...]]:
    """As `checks.float32s`, on the device; and the shape, since arrays of no length are one longer there."""
    if not is_on_device(value):
        array = checks.float32s(name, value, shape)
        return backend.upload(array), array.shape
    view = on_device(name, value)
    checks.float32_form(name, stand_in(name, view), shape)
    finite(name, view)
    return view, tuple(view.shape)


def numbers(name: str, value: Any) -> DeviceArray:
    """float32 or float64 as they are, NaN included; of at least one element along each axis."""
    return filled(on_device(name, value)) if is_on_device(value) else backend.upload(checks.as_array(name, value))


def filled(array: DeviceArray) -> DeviceArray:
    """The same, or one more element long where it has no length, as kernels take it."""
    return backend.empty(tuple(array.shape), array.dtype.type) if 0 in array.shape else array


def finite(name: str, array: DeviceArray) -> None:
    """As `checks.finite`; waits for the device."""
    count = int(np.prod(array.shape))
    first = backend.upload(np.full(1, count, np.int64))
    find_not_finite.launch((backend.num_blocks(count), 1), array.reshape(-1), count, first)
    place = int(backend.download(first)[0])
    if place < count:
        position = tuple(int(axis) for axis in np.unravel_index(place, array.shape))
        bad = backend.download(array.reshape(-1)[place : place + 1])[0]
        raise ValueError(f"{name} must be finite, got {bad} at position {position}")


def given_back(array: DeviceArray, shape: tuple[int, ...], to_host: bool) -> Any:
    """A result in NumPy or on the device, where it is ready for any stream."""
    if not to_host:
        backend.wait()
    if 0 in shape:
        return np.empty(shape, array.dtype) if to_host else backend.nothing(shape, array.dtype)
    reshaped = array.reshape(shape)
    return backend.download(reshaped) if to_host else reshaped


def stand_in(name: str, value: Any) -> Any:
    """For checks of type and shape alone: zeros in NumPy, which take no memory, for what is on the device."""
    if not is_on_device(value):
        return value
    array = on_device(name, value)
    return np.broadcast_to(np.zeros((), array.dtype), tuple(array.shape))


def _is_ort_value(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("data_ptr", "element_type", "device_name"))
