"""Arrays of others by DLPack (https://dmlc.github.io/dlpack): `Imported` shows one as a CUDA array interface."""

import ctypes
import weakref
from typing import Any

DEVICE_KINDS = {"cpu": (1,), "cuda": (2, 13)}  # kDLCPU; kDLCUDA, kDLCUDAManaged
LEGACY_DEFAULT_STREAM = 1
CODES = {0: "i", 1: "u", 2: "f", 6: "b"}  # kDLInt, kDLUInt, kDLFloat, kDLBool
NAME, USED_NAME = b"dltensor", b"used_dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _ManagedTensor(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p)))


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_set_name = ctypes.pythonapi.PyCapsule_SetName
_set_name.restype, _set_name.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)


def is_on(value: Any, device: str) -> bool:
    """Whether a value offers its memory by DLPack, and it lies on a device: "cpu" or "cuda"."""
    where = getattr(value, "__dlpack_device__", None)
    return where is not None and int(where()[0]) in DEVICE_KINDS[device]


class Imported:
    """The memory of a DLPack producer, which gets it back when this is gone. ValueError for a type it cannot show."""

    def __init__(self, producer: Any, device: str = "cuda") -> None:
        # The producer's work so far comes before what is launched on the stream of ours.
        capsule = producer.__dlpack__(**({"stream": LEGACY_DEFAULT_STREAM} if device == "cuda" else {}))
        address = _get_pointer(capsule, NAME)
        _set_name(capsule, USED_NAME)  # from here on it is ours to delete
        managed = _ManagedTensor.from_address(address)
        if managed.deleter:
            weakref.finalize(self, managed.deleter, address)
        tensor = managed.tensor
        if tensor.code not in CODES or tensor.lanes != 1:
            raise ValueError(f"DLPack type (code {tensor.code}, {tensor.lanes} lanes) is not supported")
        itemsize = tensor.bits // 8
        strides = tuple(tensor.strides[axis] * itemsize for axis in range(tensor.ndim)) if tensor.strides else None
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": tuple(tensor.shape[axis] for axis in range(tensor.ndim)),
            "strides": strides,
            "typestr": f"{'|' if itemsize == 1 else '<'}{CODES[tensor.code]}{itemsize}",
            "data": ((tensor.data or 0) + tensor.byte_offset, False),
        }
