"""What `rerank.mmr` and `rerank.dpp` have in common: their arguments, batches, threads, and the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch
from shortlist_kernels.rerank import dpp, mmr
from tests.kernels.diversity_cases import COMPILED, EVERY, assert_same_as_reference

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]
RULES = pytest.mark.parametrize("rule", [mmr, dpp])


@RULES
@pytest.mark.parametrize("isa", COMPILED)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_every_backend_reranks_like_the_reference(isa: str, rule: Any, data: st.DataObject, draw_float32: Draw) -> None:
    num_queries, num_items = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 30))
    dim, k = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 33))
    vectors = draw_float32(data, (num_queries, num_items, dim))
    scores = draw_float32(data, (num_queries, num_items))
    scores[np.random.default_rng(k).random(scores.shape) < 0.2] = -np.inf
    diversity = np.array([data.draw(st.floats(0, 1)) for _ in range(num_queries)])
    assert_same_as_reference(isa, rule, vectors, scores, k, diversity, data.draw(st.none() | st.integers(1, 3)))


@RULES
@pytest.mark.parametrize("isa", EVERY)
@pytest.mark.parametrize("num_threads", [1, 2, 3, None])
def test_a_batch_gives_each_query_what_it_gets_alone(isa: str, rule: Any, num_threads: int | None) -> None:
    random = np.random.default_rng(9)
    vectors, scores = random.standard_normal((6, 100, 40), np.float32), random.random((6, 100))
    diversity = np.linspace(0, 1, 6)
    with dispatch.using(isa):
        order, lost = rule(vectors, scores, 10, diversity, num_threads)
        for query in range(6):
            alone, alone_lost = rule(vectors[query], scores[query], 10, diversity[query], 1)
            assert (alone.tolist(), alone_lost.item()) == (order[query].tolist(), lost[query])


@RULES
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.ones((2, 2), np.float32)}, r"vectors must be float32 of shape \(3, D\), got .*\(2, 2\)"),
        ({"vectors": np.ones((3, 2))}, "vectors must be float32"),
        ({"vectors": np.full((3, 2), np.nan, np.float32)}, "vectors must be finite, got nan"),
        ({"scores": np.ones(3, np.int64)}, "scores must be float32 or float64 .* got int64"),
        ({"scores": np.array([1, np.nan, 2])}, r"scores must be finite, got nan at position \(1,\)"),
        ({"scores": np.array([1, np.inf, 2])}, "scores must be finite, got inf"),
        ({"scores": np.array([1, 1e308, 1e308])}, r"scores must fit float32, got 1e\+308 at position \(1,\)"),
        ({"scores": [[1.0], [1.0, 2.0]]}, "scores must be an array, got a ragged list"),
        ({"diversity": [[0.1], [0.2, 0.3]]}, "diversity must be an array, got a ragged list"),
        ({"scores": np.ones((3, 1, 1))}, r"scores must be float32 or float64 .* got float64 of shape \(3, 1, 1\)"),
        ({"k": 1.5}, "k must be an integer, got 1.5"),
        ({"k": -1}, "k must be an integer from 0 .* got -1"),
        ({"diversity": -0.5}, "diversity must be within 0 to 1, got -0.5"),
        ({"diversity": 1.5}, "diversity must be within 0 to 1, got 1.5"),
        ({"diversity": float("nan")}, "diversity must not be NaN, got nan"),
        ({"diversity": [0.1, 0.2]}, "diversity must be a number or"),
        ({"num_threads": 0}, "num_threads must be an integer from 1 .* got 0"),
        ({"diversity": "much"}, "diversity must be a number or"),
    ],
)
def test_a_bad_argument_is_named(rule: Any, change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"vectors": np.ones((3, 2), np.float32), "scores": np.ones(3), "k": 2, "diversity": 0.5}
    with pytest.raises(ValueError, match=message):
        rule(**(good | change))
