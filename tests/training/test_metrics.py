"""Metrics against numbers worked out by hand and against a plain second implementation."""

import math

import numpy as np
import pytest
from shortlist_training.metrics import (
    coverage,
    hit_rate,
    hits,
    mean_ndcg,
    ndcg,
    paired_bootstrap,
    recall,
    reciprocal_rank,
    summarise,
)

from shortlist_training.data.histories import Lists

# Two users. The first took items 3, 5, 9 and is shown 5, 1, 3; the second took 0 and is shown 2, and then nothing.
ROWS = np.array([[5, 1, 3], [2, -1, -1]])
TARGETS = Lists(np.array([0, 3, 4]), np.array([3, 5, 9, 0], dtype=np.int32))


def test_hits_are_the_places_of_taken_items_and_padding_never_hits() -> None:
    assert hits(ROWS, TARGETS).tolist() == [[True, False, True], [False, False, False]]
    assert not hits(np.array([[-1]]), Lists(np.array([0, 1]), np.array([0], dtype=np.int32))).any()


def test_ndcg_by_hand() -> None:
    found = 1 / math.log2(2) + 1 / math.log2(4)
    best = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(hits(ROWS, TARGETS), TARGETS.lengths()) == pytest.approx([found / best, 0])


def test_ndcg_is_one_when_all_places_hit_however_many_were_taken() -> None:
    targets = Lists(np.array([0, 5]), np.arange(5, dtype=np.int32))
    assert mean_ndcg(np.array([[4, 0]]), targets, 2) == pytest.approx(1.0)


def test_recall_hit_rate_and_reciprocal_rank_by_hand() -> None:
    found = hits(ROWS, TARGETS)
    assert recall(found, TARGETS.lengths()) == pytest.approx([2 / 3, 0])
    assert hit_rate(found).tolist() == [1, 0]
    assert reciprocal_rank(np.array([[False, True, True], [False] * 3])).tolist() == [0.5, 0]


def test_coverage_counts_items_shown_to_anybody() -> None:
    assert coverage(ROWS, 8) == 4 / 8


def test_the_summary_equals_a_plain_loop_on_random_rankings() -> None:
    generator = np.random.default_rng(0)
    num_users, num_items, cutoff = 200, 50, 10
    rows = np.stack([generator.permutation(num_items)[:20] for _ in range(num_users)])
    taken = [np.sort(generator.permutation(num_items)[: generator.integers(1, 15)]) for _ in range(num_users)]
    targets = Lists(np.concatenate([[0], np.cumsum([len(t) for t in taken])]), np.concatenate(taken).astype(np.int32))
    sums = dict.fromkeys(("ndcg", "recall", "hr", "mrr"), 0.0)
    for ranking, wanted in zip(rows.tolist(), (set(t.tolist()) for t in taken), strict=True):
        places = [place for place, item in enumerate(ranking[:cutoff], start=1) if item in wanted]
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(cutoff, len(wanted)) + 1))
        sums["ndcg"] += sum(1 / math.log2(place + 1) for place in places) / ideal
        sums["recall"] += len(places) / len(wanted)
        sums["hr"] += bool(places)
        sums["mrr"] += 1 / places[0] if places else 0
    summary = summarise(rows, targets, num_items, cutoff)
    for name, total in sums.items():
        assert summary[f"{name}@{cutoff}"] == pytest.approx(total / num_users, abs=1e-12)


def test_the_bootstrap_interval_holds_the_mean_and_shrinks_with_the_users() -> None:
    generator = np.random.default_rng(1)
    few, many = generator.normal(0.1, 1, 50), generator.normal(0.1, 1, 5000)
    low, high = paired_bootstrap(many, seed=0)
    assert low < many.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(5000), rel=0.1)
    wide = paired_bootstrap(few, seed=0)
    assert wide[1] - wide[0] > 5 * (high - low)
    assert paired_bootstrap(few, seed=0) == wide
