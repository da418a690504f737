"""The only file that imports numba.cuda: whether it can compute here, kernels and their launches, arrays on the device.

numba.cuda has no types, so what comes from it is Any, here and nowhere else.

A kernel is made by a builder from the `Forms` of the steps that threads take together: BLOCK, with shared memory and
barriers, or WARP, with the instructions of a warp, which numba's simulator (NUMBA_ENABLE_CUDASIM=1) does not have.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from shortlist_kernels.arrays import AnyArray

try:
    import numba
    from numba import cuda as _cuda
except ImportError as error:
    raise ImportError(f"computing on a GPU needs numba-cuda: pip install 'shortlist[cuda]' ({error})") from error

cuda: Any = _cuda
DeviceArray: TypeAlias = Any  # of numba.cuda, or one that the simulator makes of NumPy's

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
if SIMULATED:
    from numba.cuda.simulator import kernelapi

    HAS_WARPS = hasattr(kernelapi.FakeCUDAModule, "shfl_sync")
else:
    HAS_WARPS = True

LANES = 8  # of a sum, as `reference.lane_sum` takes it
WARP_SIZE = 32
# Of a block; threads of the simulator are threads of Python.
THREADS = 256 if not SIMULATED else 2 * WARP_SIZE if HAS_WARPS else 2 * LANES
MAX_BLOCKS = 4 if SIMULATED else 1024  # of one launch along x; kernels go on with the next part
BLOCKS_ALONG_Y = 1 << 15  # a device takes twice as many
CAPABILITIES = ((8, 0), (9, 0))  # that the tests compile for

numba.config.CUDA_LOW_OCCUPANCY_WARNINGS = False  # small searches fill no device


class Forms(NamedTuple):
    """The steps that threads of a block or a warp take together; kernels/primitives.py has both forms of each."""

    name: str
    reduce_lanes: Any
    reserve: Any
    item_dot: Any
    best_of_block: Any
    find_bucket: Any


class Kernel:
    """What `kernel` makes of a builder."""

    def __init__(self, build: Callable[[Forms], Any], signatures: tuple[str, ...], uses_forms: bool) -> None:
        self.name = build.__name__
        self.signatures = signatures
        self.uses_forms = uses_forms
        self.build = build
        self._compiled: Any = None

    def launch(self, blocks: tuple[int, int], *arguments: Any) -> None:
        """Runs blocks[0] x blocks[1] blocks of `THREADS` threads; no block, no launch."""
        if self._compiled is None:
            self._compiled = cuda.jit(self.build(forms_here()))
        if min(blocks) > 0:
            self._compiled[blocks, THREADS](*arguments)

    def ptx(self, forms: Forms, signature: str, capability: tuple[int, int]) -> str:
        """The assembly text for a capability; needs no device."""
        with _capability(capability):
            text, _ = cuda.compile(self.build(forms), signature, device=False, abi="numba", cc=capability)
        return str(text)


KERNELS: dict[str, Kernel] = {}
_FORMS: list[Forms] = []


def kernel(*signatures: str, uses_forms: bool = True) -> Callable[[Callable[[Forms], Any]], Kernel]:
    """Decorates a builder, which takes the `Forms` and returns the function that each thread runs."""

    def registered(build: Callable[[Forms], Any]) -> Kernel:
        KERNELS[build.__name__] = Kernel(build, signatures, uses_forms)
        return KERNELS[build.__name__]

    return registered


def device_function(function: Any) -> Any:
    """Decorates a function that kernels call."""
    return cuda.jit(device=True)(function)


def register_forms(block: Forms, warp: Forms) -> None:
    """For kernels/primitives.py, which needs this module."""
    _FORMS[:] = [block, warp]


def forms_of(one: Kernel) -> list[Forms]:
    """Those that make a difference to a kernel."""
    return _FORMS if one.uses_forms else _FORMS[:1]


def forms_here() -> Forms:
    """WARP wherever there are warps."""
    return _FORMS[1 if HAS_WARPS else 0]


if SIMULATED:

    def rounded_product(a: Any, b: Any) -> Any:
        """A * b, rounded by itself: a device would fuse it with a sum that follows."""
        return a * b
else:
    rounded_product = cuda.libdevice.dmul_rn


@contextlib.contextmanager
def _capability(capability: tuple[int, int]) -> Iterator[None]:
    """Functions that kernels call are compiled for the device that is there: says which one to take as that."""
    from numba.cuda import dispatcher

    module: Any = dispatcher
    before = module.get_current_device
    module.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        module.get_current_device = before


@functools.cache
def why_unavailable() -> str | None:
    """Why no GPU can be used here, or None if one can."""
    if SIMULATED:
        return None
    from numba.cuda.cudadrv.error import CudaDriverError, CudaSupportError

    try:
        if len(cuda.gpus) == 0:
            return "the driver lists no device"
        cuda.current_context()
    except (CudaDriverError, CudaSupportError) as error:
        return " ".join(str(error).split()).rstrip(" :")
    return None


def require_gpu() -> None:
    """Raises RuntimeError where there is none."""
    reason = why_unavailable()
    if reason is not None:
        raise RuntimeError(f"no GPU can be used: {reason}")


def device_number() -> int:
    """Which GPU kernels run on, as CUDA counts them."""
    return int(cuda.current_context().device.id)


def wait() -> None:
    """Returns when everything launched has ended."""
    cuda.synchronize()


def row_parts(num_rows: int) -> Iterator[slice]:
    """All rows, in parts with few enough for blocks along y."""
    for start in range(0, num_rows, BLOCKS_ALONG_Y):
        yield slice(start, min(start + BLOCKS_ALONG_Y, num_rows))


def num_blocks(num_threads: int) -> int:
    """Blocks along x for so many threads, within `MAX_BLOCKS`."""
    return min(-(-num_threads // THREADS), MAX_BLOCKS)


def empty(shape: int | tuple[int, ...], dtype: type) -> DeviceArray:
    """An array on the device, not filled; at least one element long along each axis, so that it can be passed on."""
    lengths = (shape,) if isinstance(shape, int) else shape
    return cuda.device_array(tuple(max(length, 1) for length in lengths), dtype)


def nothing(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """An array on the device with an axis of no length, for callers; kernels get them by `empty`."""
    return cuda.device_array(shape, dtype)


def upload(array: AnyArray) -> DeviceArray:
    """A copy on the device, at least one element long along each axis."""
    if array.size == 0:
        return empty(array.shape, array.dtype.type)
    return cuda.to_device(np.ascontiguousarray(array))


def zeros(shape: int | tuple[int, ...], dtype: type) -> DeviceArray:
    """An array on the device, filled with zeros."""
    return upload(np.zeros(shape, dtype))


def download(array: DeviceArray) -> AnyArray:
    """A copy in NumPy; waits until the device has written it."""
    return np.asarray(array.copy_to_host())


def is_device_array(value: Any) -> bool:
    """Whether kernels take it as it is."""
    return hasattr(value, "__cuda_ndarray__")


def view(holder: Any) -> DeviceArray:
    """The array that an object with `__cuda_array_interface__` describes, without a copy; keeps the object alive."""
    if not SIMULATED:
        return cuda.as_cuda_array(holder)
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    interface = {name: value for name, value in holder.__cuda_array_interface__.items() if name != "stream"}
    return FakeCUDAArray(np.asarray(SimpleNamespace(__array_interface__=interface, owner=holder)))
