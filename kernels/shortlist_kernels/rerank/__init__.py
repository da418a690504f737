"""Re-ranking of candidate lists, many in one call; each function returns the order and the relevance given up.

diversity.py    mmr
exposure.py     exposure, count_outside_shares
candidates.py   the arguments that they share
"""

from shortlist_kernels.rerank.diversity import mmr
from shortlist_kernels.rerank.exposure import count_outside_shares, exposure

__all__ = ["count_outside_shares", "exposure", "mmr"]
