"""The file of a vector index: a fixed header, then ids, means, norms and vectors, each from a multiple of 64 bytes.

The header holds magic, version, metric, dim, count and the CRC-32 of all that follows it, and ends with its own CRC-32.
All numbers are little-endian.
"""

import mmap
import os
import secrets
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from shortlist_kernels.arrays import METRICS, AnyArray, RowStatistics, VectorSet

MAGIC = b"SLVECTOR"
VERSION = 1
HEADER = struct.Struct("<8sIIQQII")  # magic, version, metric, dim, count, payload CRC, header CRC
ALIGNMENT = 64
BYTES_AT_ONCE = 1 << 22


def write(path: str | os.PathLike[str], items: VectorSet) -> None:
    """Writes to a temporary sibling, syncs it, and renames it to `path`."""
    target = Path(path)
    parts: list[AnyArray] = [items.ids_N, *items.statistics, items.vectors_ND]
    # Not tempfile, whose files only their owner may read: who saves an index is seldom who serves it.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(bytes(ALIGNMENT))
            checksum = 0
            for part in parts:
                for chunk in _chunks(part):
                    file.write(chunk)
                    checksum = zlib.crc32(chunk, checksum)
            file.seek(0)
            file.write(_header(items, checksum))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str]) -> VectorSet:
    """The items of a file, as read-only views of its mapping. ValueError naming the file and what is wrong with it."""
    with Path(path).open("rb") as file:
        head = file.read(ALIGNMENT)
        metric, dim, count, checksum = _parse_header(path, head)
        size = os.fstat(file.fileno()).st_size
        layout = _layout(metric, dim, count)
        expected = layout[-1][2] + _padded(layout[-1][0] * layout[-1][1].itemsize)
        if size != expected:
            raise ValueError(f"{path}: must have {expected} bytes, got {size}")
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = 0
    for start in range(ALIGNMENT, size, BYTES_AT_ONCE):
        found = zlib.crc32(memoryview(mapping)[start : start + BYTES_AT_ONCE], found)
    if found != checksum:
        raise ValueError(f"{path}: the checksum must be {checksum:08x}, got {found:08x}")
    ids, means, norms, vectors = (
        np.ndarray((length,), dtype, buffer=mapping, offset=offset if length else 0) for length, dtype, offset in layout
    )
    return VectorSet(metric, vectors.reshape(count, dim), ids, RowStatistics(means, norms))


def _header(items: VectorSet, checksum: int) -> bytes:
    count, dim = items.vectors_ND.shape
    values = (MAGIC, VERSION, METRICS.index(items.metric), dim, count, checksum)
    unsigned = HEADER.pack(*values, 0)[:-4]
    return unsigned + struct.pack("<I", zlib.crc32(unsigned))


def _parse_header(path: str | os.PathLike[str], head: bytes) -> tuple[str, int, int, int]:
    if len(head) < ALIGNMENT or not head.startswith(MAGIC):
        raise ValueError(f"{path}: is not a vector index file")
    _, version, metric, dim, count, checksum, own_checksum = HEADER.unpack_from(head)
    if version != VERSION:
        raise ValueError(f"{path}: must be of version {VERSION}, got {version}")
    is_sound = own_checksum == zlib.crc32(head[: HEADER.size - 4]) and not any(head[HEADER.size :])
    if not is_sound or metric >= len(METRICS) or dim == 0:
        raise ValueError(f"{path}: has a damaged header")
    return METRICS[metric], dim, count, checksum


def _layout(metric: str, dim: int, count: int) -> list[tuple[int, np.dtype[Any], int]]:
    """(number of values, dtype, offset) of ids, means, norms and vectors."""
    means = count if metric == "pearson" else 0
    norms = count if metric in ("cosine", "pearson") else 0
    offset, layout = ALIGNMENT, []
    for length, code in ((count, "<i8"), (means, "<f8"), (norms, "<f8"), (count * dim, "<f4")):
        dtype = np.dtype(code)
        layout.append((length, dtype, offset))
        offset += _padded(length * dtype.itemsize)
    return layout


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT


def _chunks(part: AnyArray) -> list[memoryview]:
    data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
    chunks = [data[start : start + BYTES_AT_ONCE].data for start in range(0, data.size, BYTES_AT_ONCE)]
    return [*chunks, memoryview(bytes(_padded(data.size) - data.size))]
