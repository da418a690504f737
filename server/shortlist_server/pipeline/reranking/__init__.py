"""The rules of re-ranking, one a file, in the order in which they apply; the contract (RecommendRequest) states it.

freshness.py    new items first                                a wish
calibration.py  the mixture of categories of the history       a wish
diversity.py    items that differ from each other              a wish
caps.py         so many items of a value, and no more          a demand
exposure.py     shares of categories in every head of a list   a demand

rule.py         what a rule is, and what it is handed

Why this order: freshness concerns an item alone, calibration the list as a set, diversity the list in its order, so
each of these mostly leaves alone what the one before it was about, while the other way round it would be undone.
Demands come after all wishes, because a wish may not break them. Caps decide which items may be in the list at all, and
any part of a list that keeps them keeps them too; shares depend on the order, so nothing may come after them.
"""

from shortlist_server.pipeline.reranking.calibration import CalibrationRule
from shortlist_server.pipeline.reranking.caps import CapsRule
from shortlist_server.pipeline.reranking.diversity import DiversityRule
from shortlist_server.pipeline.reranking.exposure import ExposureRule
from shortlist_server.pipeline.reranking.freshness import FreshnessRule
from shortlist_server.pipeline.reranking.rule import RankedList, Rule

__all__ = ["CalibrationRule", "CapsRule", "DiversityRule", "ExposureRule", "FreshnessRule", "RankedList", "Rule"]
