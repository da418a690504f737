"""Re-ranking of candidate lists, many in one call; each function returns the order and the relevance given up.

diversity.py  mmr
"""

from shortlist_kernels.rerank.diversity import mmr

__all__ = ["mmr"]
