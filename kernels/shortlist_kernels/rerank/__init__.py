"""Re-ranking of candidate lists, many in one call; each function returns the order and the relevance given up.

diversity.py    mmr, dpp
calibration.py  calibrate
caps.py         capped, count_over_caps
exposure.py     exposure, count_outside_shares
freshness.py    freshness
candidates.py   the arguments that they share
"""

from shortlist_kernels.rerank.calibration import calibrate
from shortlist_kernels.rerank.caps import capped, count_over_caps
from shortlist_kernels.rerank.diversity import dpp, mmr
from shortlist_kernels.rerank.exposure import count_outside_shares, exposure
from shortlist_kernels.rerank.freshness import freshness

__all__ = ["calibrate", "capped", "count_outside_shares", "count_over_caps", "dpp", "exposure", "freshness", "mmr"]
