"""Every search of a server process keeps to the threads that are its share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.v1.history_pb2 import History
from shortlist.v1.recommendation_pb2 import RecommendRequest
from shortlist.v1.search_pb2 import SearchRequest
from shortlist.v1.tensor_pb2 import DATA_TYPE_FLOAT32, Tensor
from shortlist_kernels import VectorIndex
from shortlist_server.batching.deadline import Task
from shortlist_server.catalog.package import open_package
from shortlist_server.pipeline.pipeline import Pipeline
from shortlist_server.search.service import VectorSearch


def test_every_search_of_the_server_keeps_to_its_share(package_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int | None] = []
    search = VectorIndex.search

    def noting(self: VectorIndex, queries: Any, k: int, **options: Any) -> Any:
        taken.append(options.get("num_threads"))
        return search(self, queries, k, **options)

    monkeypatch.setattr(VectorIndex, "search", noting)
    package = open_package(package_dir, num_threads=3)
    one = Task(
        SearchRequest(queries=Tensor(data_type=DATA_TYPE_FLOAT32, shape=[1, 8], data=np.ones(8, "<f4").tobytes()))
    )
    pipeline = Pipeline(package, None)
    outcomes: list[Any] = VectorSearch(package, max_reply_bytes=10**6).run([one])
    outcomes += VectorSearch(package, max_reply_bytes=10**6).run([one, one])
    outcomes += pipeline.run([Task(RecommendRequest(history=History(item_ids=["item-001"])))])
    pipeline.close()
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert set(taken) == {3}
    assert len(taken) == 3
