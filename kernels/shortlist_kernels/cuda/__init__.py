"""Search, selection, fusion and re-ranking for diversity on a GPU, by kernels that Numba compiles.

The functions are those of `shortlist_kernels`, with the same results, for arrays of NumPy and for arrays that lie on
the device. Importing this needs numba-cuda (extra `cuda`); calling anything needs a GPU, or the simulator.

index.py       DeviceIndex; search.py: its search
selection.py   topk
fusion.py      fuse
diversity.py   mmr, dpp
interop.py     arrays in and out: CUDA array interface, onnxruntime's OrtValue, DLPack (dlpack.py)
libraries.py   which library multiplies batches
kernels/       what runs on the device
backend.py     the only file that imports numba.cuda: kernels and their launches, arrays on the device
"""

from shortlist_kernels.cuda.backend import why_unavailable
from shortlist_kernels.cuda.diversity import dpp, mmr
from shortlist_kernels.cuda.fusion import fuse
from shortlist_kernels.cuda.index import DeviceIndex
from shortlist_kernels.cuda.selection import topk

__all__ = ["DeviceIndex", "dpp", "fuse", "mmr", "topk", "why_unavailable"]
