"""The one place that looks for a library that multiplies matrices on the device: PyTorch or CuPy, whichever is there.

Neither is needed. They are found by name, as the package imports NumPy alone.
"""

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shortlist_kernels.cuda import backend
from shortlist_kernels.cuda.backend import DeviceArray

# Libraries may round less finely than float32: sums by some step of 2^-22 per term, and, if told to, factors to TF32 or
# bfloat16, each by up to 2^-7 of it where that cuts.
STEP_PER_TERM = 2.0**-22
STEP_OF_FACTORS = 2.0**-6


@dataclass(frozen=True, slots=True)
class Library:
    """`multiply` writes probes (Q, D) times rows (T, D) transposed to products (Q, T)."""

    multiply: Callable[[DeviceArray, DeviceArray, DeviceArray], None]
    rounds_factors: Callable[[], bool]

    def step(self, dim: int) -> float:
        """A product is off by at most this times the lengths of both vectors."""
        return STEP_PER_TERM * (dim + 8) + (STEP_OF_FACTORS if self.rounds_factors() else 0.0)


@functools.cache
def found() -> Library | None:
    """PyTorch if it was built with CUDA, else CuPy, else None."""
    if backend.SIMULATED:
        return None
    if importlib.util.find_spec("torch"):
        torch: Any = importlib.import_module("torch")
        if torch.cuda.is_available():
            return _with_torch(torch)
    return _with_cupy(importlib.import_module("cupy")) if importlib.util.find_spec("cupy") else None


def _with_torch(torch: Any) -> Library:
    def multiply(probes: DeviceArray, rows: DeviceArray, products: DeviceArray) -> None:
        device = torch.device("cuda", backend.device_number())
        with torch.no_grad(), torch.cuda.stream(torch.cuda.default_stream(device)):
            left, right, out = (torch.as_tensor(array, device=device) for array in (probes, rows, products))
            torch.mm(left, right.T, out=out)

    return Library(multiply, lambda: _torch_rounds_factors(torch))


def _torch_rounds_factors(torch: Any) -> bool:
    """Whether torch, or the library below it, may take TF32 for float32."""
    precision = getattr(torch.backends.cuda.matmul, "fp32_precision", "unknown")
    return precision not in ("none", "ieee") or os.environ.get("NVIDIA_TF32_OVERRIDE", "0") != "0"


def _with_cupy(cupy: Any) -> Library:
    def multiply(probes: DeviceArray, rows: DeviceArray, products: DeviceArray) -> None:
        with cupy.cuda.Stream.null:
            left, right, out = (cupy.asarray(array) for array in (probes, rows, products))
            cupy.matmul(left, right.T, out=out)

    return Library(multiply, lambda: True)  # CUPY_TF32 may say so
