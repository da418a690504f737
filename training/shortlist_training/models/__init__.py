"""The model families, a folder each, behind one interface with the verbs fit, score and export.

| family | kind | what it does |
|---|---|---|
| `popular` | source | time-decayed popularity |
| `item_neighbours` | source | item-based collaborative filtering |
| `two_tower` | source | user tower over the history, item tower over id and text |
| `ranker` | ranker | attention of a candidate over the history, with the scores of all sources |

Each folder has a module-level `fit` that returns the fitted model. A source then follows `Source` below; the ranker has
the same verbs over given candidates.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shortlist_training.data.queries import Queries
from shortlist_training.package import Draft

Retrieved = tuple[NDArray[np.float32], NDArray[np.int64]]


class Source(Protocol):
    """Proposes candidates. B queries, K results, M given candidates, N items."""

    @property
    def name(self) -> str:
        """Its name in the manifest and in tables."""
        ...

    @property
    def needs_history(self) -> bool:
        """True when it has nothing to say about a user without history."""
        ...

    def retrieve(self, queries: Queries, k: int, allowed_N: NDArray[np.bool_]) -> Retrieved:
        """The k best allowed, unseen items: scores (B, K) and rows (B, K), padded with -inf and -1."""
        ...

    def score(self, queries: Queries, rows_BM: NDArray[np.int64]) -> NDArray[np.float32]:
        """The raw score (B, M) of every given item, 0 where the row is -1."""
        ...

    def export(self, draft: Draft) -> dict[str, object]:
        """Write its files into the package and return its entry in the manifest, without the weight."""
        ...
