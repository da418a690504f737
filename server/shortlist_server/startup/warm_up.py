"""Runs the pipeline before the first caller does: caches get warm, and the costs of stages are measured."""

from __future__ import annotations

from typing import Final

import numpy as np

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_BRIEF
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest
from shortlist_server.batching.deadline import Task
from shortlist_server.pipeline.pipeline import Pipeline

# One that does not count, because it finds caches cold, and two that do: the second measurement of a size corrects the
# first, which may have met a stall.
PASSES: Final = 3
# A history of the size that most users have; a longer one adds nothing that is not warm already.
MAX_GIVEN: Final = 50


def warm_up(pipeline: Pipeline, max_batch_rows: int) -> None:
    """Answer made-up requests, alone and in the largest batch; the first pass does not count as a measurement."""
    catalog = pipeline.package.catalog
    num_given = min(catalog.num_items, MAX_GIVEN)
    random = np.random.default_rng(0)
    requests = [
        RecommendRequest(
            history=History(
                item_ids=catalog.item_ids.take(random.choice(catalog.num_items, num_given, replace=False).tolist())
            ),
            diversity=Diversity(strength=0.1),
            explanation_level=EXPLANATION_LEVEL_BRIEF,
        )
        for _ in range(max_batch_rows)
    ]
    for attempt in range(PASSES):
        for size in (1, max_batch_rows):
            pipeline.run([Task(request) for request in requests[:size]])
        if attempt == 0:
            pipeline.costs.forget()
