"""The pipeline is run before the first caller: every stage has a cost afterwards, none of a cold start."""

from __future__ import annotations

import pytest

from shortlist_server.batching.levels import STAGES, StageCosts
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.startup.warm_up import PASSES, warm_up


class Noting(StageCosts):
    """Costs that remember what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.num_forgotten = 0

    def observe(self, stage: str, num_requests: int, seconds: float) -> None:
        super().observe(stage, num_requests, seconds)
        if stage == "score":
            self.sizes.append(num_requests)

    def forget(self) -> None:
        super().forget()
        self.num_forgotten = len(self.sizes)


@pytest.mark.parametrize("max_batch_rows", [1, 6])
def test_every_stage_is_measured_alone_and_in_the_largest_batch(package: Package, max_batch_rows: int) -> None:
    costs = Noting()
    pipeline = Pipeline(package, None, costs=costs)
    warm_up(pipeline, max_batch_rows)
    pipeline.close()
    assert costs.sizes == [1, max_batch_rows] * PASSES
    assert costs.num_forgotten == 2
    for stage in STAGES:
        assert costs.estimate_s(stage, 1) > 0.0
        assert costs.estimate_s(stage, max_batch_rows) > 0.0
