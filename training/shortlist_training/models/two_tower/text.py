"""Titles and other texts to numbers: hashed words and word pieces with TF-IDF weights, padded.

N items, T tokens. Hashing needs no vocabulary file, so a new item's words have ids without retraining.
"""

import re
import zlib
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_PIECE = 4


class TextTable(NamedTuple):
    """Token ids int64 (N, T), 0 = padding, and their weights float32 (N, T), each row of length 1 or all 0."""

    tokens_NT: NDArray[np.int64]
    weights_NT: NDArray[np.float32]


def text_table(items: pl.DataFrame, num_buckets: int, num_tokens: int) -> TextTable:
    """Tokens of each item's title, text, tags and categories; the rarest `num_tokens` that any second item shares."""
    joined = items.select(pl.concat_str("title", "text", "tags", "categories", separator=" ")).to_series()
    documents = [_token_ids(text, num_buckets) for text in joined]
    flat = np.array([token for document in documents for token in document], dtype=np.int64)
    frequencies = np.bincount(flat, minlength=num_buckets)
    # A token of one item only cannot tell what it has in common with others: it weighs nothing.
    idf = np.where(frequencies > 1, np.log((1 + len(documents)) / (1 + frequencies)) + 1, 0.0)
    tokens_NT = np.zeros((len(documents), num_tokens), dtype=np.int64)
    weights_NT = np.zeros((len(documents), num_tokens), dtype=np.float32)
    for row, document in enumerate(documents):
        kept = sorted((token for token in document if idf[token] > 0), key=lambda t: (-idf[t], t))[:num_tokens]
        tokens_NT[row, : len(kept)] = kept
        weights_NT[row, : len(kept)] = idf[kept]
    lengths_N1 = np.linalg.norm(weights_NT, axis=1, keepdims=True)
    weights_NT /= np.where(lengths_N1 > 0, lengths_N1, 1)
    return TextTable(tokens_NT, weights_NT)


def _token_ids(text: str, num_buckets: int) -> list[int]:
    words = _WORD.findall(text.lower())
    pieces = [word[i : i + _PIECE] for word in (f"<{w}>" for w in words) for i in range(len(word) - _PIECE + 1)]
    names = [*(f"word {word}" for word in words), *(f"piece {piece}" for piece in pieces)]
    return list(dict.fromkeys(zlib.crc32(name.encode()) % (num_buckets - 1) + 1 for name in names))
