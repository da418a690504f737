"""Re-ranking of candidate lists, many in one call; each function returns the order and the relevance given up.

diversity.py  mmr, dpp
"""

from shortlist_kernels.rerank.diversity import dpp, mmr

__all__ = ["dpp", "mmr"]
