"""The file of a vector index: a fixed header, then the arrays of `store.Chunk` in their order, each over all chunks.

Arrays start at multiples of 64 bytes and are padded with items that are not there to a whole number of strips, so that
a mapping of the file serves as chunks. The header holds magic, version, metric, dim, count and the CRC-32 of all that
follows it, and ends with its own CRC-32. All numbers are little-endian.
"""

import io
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from shortlist_kernels.arrays import METRICS, AnyArray
from shortlist_kernels.store import GROUP, MAX_DIM, STRIP, Chunk, ItemStore, chunk_shift

MAGIC = b"SLVECTOR"
VERSION = 2
HEADER = struct.Struct("<8sIIQQII")  # magic, version, metric, dim, count, payload CRC, header CRC
ALIGNMENT = 64
BYTES_AT_ONCE = 1 << 22


def write(path: str | os.PathLike[str], store: ItemStore) -> None:
    """Writes to a temporary sibling, syncs it, and renames it to `path`."""
    target = Path(path)
    # Not tempfile, whose files only their owner may read: who saves an index is seldom who serves it.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(bytes(ALIGNMENT))
            checksum = 0
            for piece in _pieces(store):
                file.write(piece)
                checksum = zlib.crc32(piece, checksum)
            file.seek(0)
            file.write(_header(store, checksum))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str]) -> ItemStore:
    """The items of a file, on a private mapping of it. ValueError naming the file and what is wrong with it."""
    with Path(path).open("rb", buffering=0) as file:
        head = file.read(ALIGNMENT)
        metric, dim, count, checksum = _parse_header(path, head)
        size = os.fstat(file.fileno()).st_size
        layout = _layout(metric, dim, count)
        expected = ALIGNMENT + sum(_padded(_num_bytes(array)) for array in layout)
        if size != expected:
            raise ValueError(f"{path}: must have {expected} bytes, got {size}")
        found = _rest_checksum(file)
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    if found != checksum:
        raise ValueError(f"{path}: the checksum must be {checksum:08x}, got {found:08x}")
    return ItemStore(metric, dim, tuple(_chunks(mapping, layout, metric, dim, count)), count)


def _rest_checksum(file: io.FileIO) -> int:
    # Read, not mapped: pages that a checksum touches in a mapping would count as resident from then on.
    room, found = memoryview(bytearray(BYTES_AT_ONCE)), 0
    while num_bytes := file.readinto(room):
        found = zlib.crc32(room[:num_bytes], found)
    return found


def _header(store: ItemStore, checksum: int) -> bytes:
    values = (MAGIC, VERSION, METRICS.index(store.metric), store.dim, store.count, checksum)
    unsigned = HEADER.pack(*values, 0)[:-4]
    return unsigned + struct.pack("<I", zlib.crc32(unsigned))


def _parse_header(path: str | os.PathLike[str], head: bytes) -> tuple[str, int, int, int]:
    if len(head) < ALIGNMENT or not head.startswith(MAGIC):
        raise ValueError(f"{path}: is not a vector index file")
    _, version, metric, dim, count, checksum, own_checksum = HEADER.unpack_from(head)
    if version != VERSION:
        raise ValueError(f"{path}: must be of version {VERSION}, got {version}")
    is_sound = own_checksum == zlib.crc32(head[: HEADER.size - 4]) and not any(head[HEADER.size :])
    if not is_sound or metric >= len(METRICS) or not 1 <= dim <= MAX_DIM:
        raise ValueError(f"{path}: has a damaged header")
    return METRICS[metric], dim, count, checksum


Layout = list[tuple[tuple[int, ...], np.dtype[Any]]]


def _layout(metric: str, dim: int, count: int) -> Layout:
    """Shape and type of each array, over all chunks."""
    chunk = Chunk.empty(metric, dim, STRIP)
    num_strips = -(-count // STRIP)
    return [((len(array) * num_strips, *array.shape[1:]), array.dtype.newbyteorder("<")) for array in chunk.arrays()]


def _num_bytes(array: tuple[tuple[int, ...], np.dtype[Any]]) -> int:
    shape, dtype = array
    return int(np.prod(shape, dtype=object)) * dtype.itemsize


def _chunks(mapping: mmap.mmap, layout: Layout, metric: str, dim: int, count: int) -> Iterator[Chunk]:
    arrays, offset = [], ALIGNMENT
    for shape, dtype in layout:
        num_bytes = _num_bytes((shape, dtype))
        arrays.append(np.ndarray(shape, dtype, buffer=mapping, offset=offset if num_bytes else 0))
        offset += _padded(num_bytes)
    full = 1 << chunk_shift(dim)
    lengths = [len(array) for array in Chunk.empty(metric, dim, STRIP).arrays()]
    for first in range(0, count, full):
        start, end = first // STRIP, -(-min(count, first + full) // STRIP)
        yield Chunk(*(array[start * length : end * length] for array, length in zip(arrays, lengths, strict=True)))


def _pieces(store: ItemStore) -> Iterator[memoryview]:
    """The bytes of each array over all chunks, in order, with nothing left of items that were removed."""
    for field, (shape, dtype) in zip(fields(Chunk), _layout(store.metric, store.dim, store.count), strict=True):
        num_bytes = _num_bytes((shape, dtype))
        left = num_bytes
        first = 0
        for chunk in store.chunks:
            array = _without_removed(field.name, getattr(chunk, field.name), store.count - first)
            data = np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8)[:left]
            yield from (data[start : start + BYTES_AT_ONCE].data for start in range(0, data.size, BYTES_AT_ONCE))
            left -= data.size
            first += chunk.capacity
        yield memoryview(bytes(_padded(num_bytes) - num_bytes))


def _without_removed(name: str, array: AnyArray, count: int) -> AnyArray:
    """The array with zeros (NaN for inverses) from item `count` on; the same array if that is what it has."""
    if name == "bounds" or array.size == 0:
        return array
    if name == "codes":
        full, part = divmod(max(count, 0), GROUP)
        if full >= len(array):
            return array
        array = array.copy()
        array[full, :, part:] = 0
        array[full + 1 :] = 0
        return array
    if count >= len(array):
        return array
    array = array.copy()
    array[max(count, 0) :] = np.nan if name == "inverses_C" else 0
    return array


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
