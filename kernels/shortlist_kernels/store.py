"""The arrays behind an index, in chunks, and the table that finds positions by id.

A position is an item's place in the order of `ids`. Chunks hold a power of two of items, all but the last the same
number, so that growing copies no more than the last one. `cpu/search/store.h` says what the arrays hold; items.c beside
it changes them in place, so whoever calls `append`, `replace` or `remove` must be alone with the store.
"""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields

import numpy as np

from shortlist_kernels.arrays import METRICS, AnyArray, Bits, Float32, Float64, Int64, UInt32, UInt64
from shortlist_kernels.cpu import _cpu

STRIP = 256
GROUP = 16
QUAD = 4
CODE_PADDING = 1024
CHUNK_BYTES = 1 << 23
LARGEST_CHUNK = 1 << 14
HUGE_PAGE = 1 << 21
MAX_ITEMS = 2**32 - 1
MAX_DIM = 2**16  # sums of products of codes fit 32 bits
SLOTS_PER_ITEM = 1.25
GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Chunk:
    """The arrays of one chunk of C items (a multiple of STRIP), in the order of `struct chunk`."""

    vectors_CD: Float32
    codes: Bits  # (C / GROUP, 2 * ceil(D / (2 * QUAD)), GROUP, QUAD), readable for CODE_PADDING bytes more
    inverses_C: Float32
    offsets_C: Float32  # empty unless the metric is euclidean
    ids_C: Int64
    bounds: Float64  # (C / STRIP, 3)

    @classmethod
    def empty(cls, metric: str, dim: int, num_items: int) -> "Chunk":
        """A chunk without items."""
        num_quads = -(-dim // (2 * QUAD)) * 2
        num_codes = num_items * num_quads * QUAD
        return cls(
            _zero_bytes(num_items * dim * 4).view(np.float32).reshape(num_items, dim),
            _zero_bytes(num_codes + CODE_PADDING)[:num_codes].reshape(-1, num_quads, GROUP, QUAD),
            np.full(num_items, np.nan, np.float32),
            np.zeros(num_items if metric == "euclidean" else 0, np.float32),
            np.zeros(num_items, np.int64),
            np.zeros((num_items // STRIP, 3)),
        )

    @property
    def capacity(self) -> int:
        """How many items there is room for."""
        return self.ids_C.size

    def arrays(self) -> Iterator[AnyArray]:
        """The arrays in the order of the fields."""
        return (getattr(self, field.name) for field in fields(self))

    def copy_into(self, other: "Chunk") -> None:
        """Copies everything to the start of a larger chunk."""
        for own, target in zip(self.arrays(), other.arrays(), strict=True):
            target[: len(own)] = own


class Chunks(tuple[Chunk, ...]):
    """The chunks of a store and what is known of them all: one object, as an interruption may part two assignments."""

    capacity: int
    table: UInt64  # (number of chunks, fields of a chunk): the addresses of the arrays

    def __new__(cls, chunks: Iterable[Chunk] = ()) -> "Chunks":
        """From the chunks in the order of their positions."""
        self = super().__new__(cls, chunks)
        self.capacity = sum(chunk.capacity for chunk in self)
        addresses = [[array.ctypes.data for array in chunk.arrays()] for chunk in self]
        self.table = np.array(addresses, np.uint64).reshape(len(self), len(fields(Chunk)))
        return self


class ItemStore:
    """Items at positions 0 to count - 1."""

    def __init__(self, metric: str, dim: int, chunks: Iterable[Chunk] = (), count: int = 0) -> None:
        self.metric = metric
        self.dim = dim
        self.count = count
        self.version = 0  # of what it holds: every change makes it larger
        self.chunk_shift = chunk_shift(dim)
        self.chunks = Chunks(chunks)
        self.slots: UInt32 = np.full(1, MAX_ITEMS, np.uint32)
        if count:
            self._reserve_slots(count)

    @property
    def metric_number(self) -> int:
        """The metric as `metric_kind` numbers it."""
        return METRICS.index(self.metric)

    @property
    def num_bytes(self) -> int:
        """Bytes of all arrays, room for more items included."""
        return self.slots.nbytes + sum(array.nbytes for chunk in self.chunks for array in chunk.arrays())

    def ids_N(self) -> Int64:
        """A copy of the ids in the order of their positions."""
        return np.concatenate([np.empty(0, np.int64), *(chunk.ids_C for chunk in self.chunks)])[: self.count]

    def vectors_ND(self) -> Float32:
        """A copy of the vectors in the order of their positions."""
        empty = np.empty((0, self.dim), np.float32)
        return np.concatenate([empty, *(chunk.vectors_CD for chunk in self.chunks)])[: self.count]

    def vectors_at(self, positions_n: Int64) -> Float32:
        """float32 (n, D): copies of some vectors."""
        vectors_nD = np.empty((positions_n.size, self.dim), np.float32)
        _cpu.copy_vectors(self, positions_n, vectors_nD)
        return vectors_nD

    def find(self, ids: Int64, num_threads: int = 1) -> Int64:
        """The position of each id, -1 where the store has no such id. Any shape."""
        positions = np.empty(ids.size, np.int64)
        _cpu.find_items(self, ids.reshape(-1), num_threads, positions)
        return positions.reshape(ids.shape)

    def append(self, ids_n: Int64, vectors_nD: Float32) -> None:
        """Adds items behind the others."""
        needed = self.count + ids_n.size
        if needed > MAX_ITEMS:
            raise ValueError(f"ids must leave the index with at most {MAX_ITEMS} items, got {needed}")
        self._reserve(needed)
        self._reserve_slots(needed)
        self.version += 1
        _cpu.append_items(self, ids_n, vectors_nD)

    def replace(self, positions_n: Int64, vectors_nD: Float32) -> None:
        """Gives some items other vectors."""
        self.version += 1
        _cpu.replace_vectors(self, positions_n, vectors_nD)

    def remove(self, positions_n: Int64) -> None:
        """Removes items; the last ones take their places."""
        self.version += 1
        _cpu.remove_items(self, np.sort(positions_n)[::-1].copy())
        num_used = -(-self.count // (1 << self.chunk_shift))
        if len(self.chunks) > num_used + 1:  # the spare one spares adding and removing in turn from allocating
            self.chunks = Chunks(self.chunks[: num_used + 1])

    def _reserve(self, needed: int) -> None:
        if self.chunks.capacity >= needed:
            return
        full = 1 << self.chunk_shift
        chunks, capacity = list(self.chunks), self.chunks.capacity  # the store stays as it was if memory runs out
        while capacity < needed:
            last = chunks.pop() if chunks and chunks[-1].capacity < full else None
            capacity -= last.capacity if last else 0
            wanted = max(needed - capacity, int(GROWTH * last.capacity) if last else 0)
            chunks.append(Chunk.empty(self.metric, self.dim, full if wanted >= full else _whole_strips(wanted)))
            if last is not None:
                last.copy_into(chunks[-1])
            capacity += chunks[-1].capacity
        self.chunks = Chunks(chunks)

    def _reserve_slots(self, needed: int) -> None:
        if needed * SLOTS_PER_ITEM < self.slots.size:
            return
        num_slots = int(max(needed, self.count * GROWTH) * SLOTS_PER_ITEM) + 8
        slots = np.full(num_slots, MAX_ITEMS, np.uint32)
        _cpu.enter_items(self, slots)
        self.slots = slots


def _zero_bytes(num_bytes: int) -> Bits:
    """Zeros from a multiple of 64 bytes on, in huge pages where they fill some and the system has them.

    Looking up addresses of small pages costs a scan of one query a tenth, and scattered rows a third of their time.
    """
    if num_bytes < HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        alignment = 64
        room = np.zeros(num_bytes + alignment, np.uint8)
    else:
        alignment = HUGE_PAGE
        memory = mmap.mmap(-1, num_bytes + alignment, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
        room = np.frombuffer(memory, np.uint8)
    start = -room.ctypes.data % alignment
    return room[start : start + num_bytes]


def chunk_shift(dim: int) -> int:
    """log2 of the items of a full chunk: about CHUNK_BYTES of vectors, at least a strip."""
    wanted = min(max(CHUNK_BYTES // (4 * dim), STRIP), LARGEST_CHUNK)
    return wanted.bit_length() - 1


def _whole_strips(num_items: int) -> int:
    return -(-num_items // STRIP) * STRIP
