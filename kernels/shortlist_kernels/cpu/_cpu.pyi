from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist_kernels.arrays import (
    Bits,
    Centring,
    ComparedRows,
    Csr,
    Float32,
    Float64,
    GivenRows,
    Int32,
    Int64,
    Measure,
    RatingPairs,
    UInt32,
)
from shortlist_kernels.store import ItemStore

def simd_names() -> list[tuple[str, bool]]: ...
def append_items(store: ItemStore, ids: Int64, vectors: Float32) -> None: ...
def replace_vectors(store: ItemStore, positions: Int64, vectors: Float32) -> None: ...
def remove_items(store: ItemStore, descending: Int64) -> None: ...
def copy_vectors(store: ItemStore, positions: Int64, vectors: Float32) -> None: ...
def find_items(store: ItemStore, ids: Int64, num_threads: int, positions: Int64) -> None: ...
def enter_items(store: ItemStore, slots: UInt32) -> None: ...
def score(simd: int, store: ItemStore, queries: Float32, positions: Int64, scores: Float32) -> None: ...
def search(
    simd: int,
    store: ItemStore,
    queries: Float32,
    mask: Bits | None,
    allow_indptr: Int64 | None,
    allow: Int64 | None,
    exclude_indptr: Int64 | None,
    exclude: Int64 | None,
    bias: Float32 | None,
    num_threads: int,
    scores: Float32,
    found: Int64,
) -> tuple[int, int]: ...
def search_range(
    simd: int,
    store: ItemStore,
    queries: Float32,
    least_scores: Float64,
    mask: Bits | None,
    allow_indptr: Int64 | None,
    allow: Int64 | None,
    exclude_indptr: Int64 | None,
    exclude: Int64 | None,
    bias: Float32 | None,
    num_threads: int,
    empty: Callable[[int], tuple[Float32, Int64]],
) -> list[tuple[Float32, Int64]]: ...
def topk_float32(simd: int, scores: Float32, num_threads: int, values: Float32, positions: Int64) -> None: ...
def topk_float64(simd: int, scores: Float64, num_threads: int, values: Float64, positions: Int64) -> None: ...
def transpose(matrix: Csr, indptr: Int64, indices: Int32, data: Float32) -> None: ...
def row_totals(matrix: Csr, sums: Float64, squares: Float64) -> None: ...
def similar_rows(
    given: GivenRows,
    compared: ComparedRows,
    k: int,
    measure: Measure,
    num_threads: int,
    indptr: Int64,
    empty: Callable[[int], tuple[Int32, Float32]],
) -> tuple[Int32, Float32]: ...
def predict_ratings(
    given: GivenRows,
    compared: ComparedRows,
    alike: Csr | None,
    measure: Measure | None,
    pairs: RatingPairs,
    centring: Centring,
    k: int,
    min_k: int,
    num_threads: int,
    predictions: Float64,
) -> None: ...
def score_neighbours(
    indptr: Int64,
    indices: Int32,
    data: Float32,
    num_columns: int,
    history_indptr: Int64,
    rows: Int32,
    weights: Float32,
    candidates: Int64,
    scores: Float32,
) -> None: ...
def search_neighbours(
    indptr: Int64,
    indices: Int32,
    data: Float32,
    num_columns: int,
    history_indptr: Int64,
    rows: Int32,
    weights: Float32,
    mask: Bits | None,
    exclude_indptr: Int64 | None,
    exclude: Int64 | None,
    scores: Float32,
    found: Int64,
) -> None: ...
def fuse(
    ids: tuple[Int64, ...],
    scores: tuple[Float32 | Float64, ...],
    weights: Float64,
    method: int,
    norm: int,
    num_threads: int,
    found_scores: Float32,
    found_ids: Int64,
) -> tuple[int, int, int] | None: ...
def mmr(
    simd: int,
    vectors: Float32,
    scores: Float64,
    diversity: Float64,
    num_threads: int,
    order: Int64,
    lost: Float64,
) -> None: ...
def dpp(
    simd: int,
    vectors: Float32,
    scores: Float64,
    weights: Float64,
    num_threads: int,
    order: Int64,
    lost: Float64,
) -> None: ...
def calibrate(
    simd: int,
    scores: Float64,
    rows: Int64 | None,
    indptr: Int64,
    groups: Int64,
    weights: Float64,
    targets: Float64,
    strengths: Float64,
    num_threads: int,
    order: Int64,
    lost: Float64,
) -> None: ...
def capped(
    simd: int,
    scores: Float64,
    slots: Int64,
    caps: Int64,
    window: int,
    max_displacement: int,
    num_threads: int,
    order: Int64,
    lost: Float64,
) -> None: ...
def exposure(
    simd: int,
    scores: Float64,
    groups: Int64,
    min_shares: Float64,
    max_shares: Float64,
    num_threads: int,
    order: Int64,
    lost: Float64,
) -> None: ...
def all_finite(values: Float32, num_threads: int) -> bool: ...
def available_cores() -> int: ...
def quota_cores(root: bytes) -> int: ...
def count_tasks(num_threads: int, num_steps: int, runs_T: Int64, steps_P: Int64) -> None: ...
def max_query_code(simd: int) -> int: ...
def scan(
    simd: int,
    codes: NDArray[np.uint8],
    num_quads: int,
    inverses: Float32,
    query_codes: NDArray[np.int8],
    limits: Float32,
    units: Float32,
    margins: Float32,
    offsets: Float32 | None,
    hits: NDArray[Any],
) -> int: ...
