"""Runs the funnel before the first caller does: caches get warm, and the ladder learns what stages cost."""

from __future__ import annotations

import numpy as np

from shortlist.v1.answer_pb2 import EXPLANATION_LEVEL_BRIEF
from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import Diversity, RecommendRequest
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.pipeline.task import Task

PASSES = 3


def warm_up(pipeline: Pipeline, max_batch_rows: int) -> None:
    """Answer made-up requests, alone and in the largest batch; the first pass does not count as a measurement."""
    item_ids = pipeline.package.catalog.item_ids
    num_given = min(len(item_ids), pipeline.package.manifest.max_history)
    random = np.random.default_rng(0)
    requests = [
        RecommendRequest(
            history=History(item_ids=random.choice(item_ids, num_given, replace=False).tolist()),
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
