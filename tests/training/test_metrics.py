"""Metrics against numbers worked out by hand, a plain second implementation, and all orders of equal scores."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist_training.data.histories import Lists
from shortlist_training.evaluation.metrics import (
    coverage,
    hit_rate,
    hits,
    judge,
    mean_ndcg,
    ndcg,
    paired_bootstrap,
    recall,
    reciprocal_rank,
    summarise,
)
from shortlist_training.sources.kinds import Retrieved

# Two users. The first took items 3, 5, 9 and is shown 5, 1, 3; the second took 0 and is shown 2, and then nothing.
ROWS = np.array([[5, 1, 3], [2, -1, -1]])
TARGETS = Lists(np.array([0, 3, 4]), np.array([3, 5, 9, 0], dtype=np.int32))


def distinct(rows_BK: NDArray[np.int64]) -> Retrieved:
    """The lists with scores that fall from place to place."""
    scores_BK = np.where(rows_BK < 0, -np.inf, -np.arange(rows_BK.shape[1], dtype=np.float32))
    return scores_BK.astype(np.float32), rows_BK


JUDGED = judge(distinct(ROWS), TARGETS)


def test_hits_are_the_places_of_taken_items_and_padding_never_hits() -> None:
    assert hits(ROWS, TARGETS).tolist() == [[True, False, True], [False, False, False]]
    assert not hits(np.array([[-1]]), Lists(np.array([0, 1]), np.array([0], dtype=np.int32))).any()


def test_ndcg_by_hand() -> None:
    found = 1 / math.log2(2) + 1 / math.log2(4)
    best = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(JUDGED, 3) == pytest.approx([found / best, 0])


def test_ndcg_is_one_when_all_places_hit_however_many_were_taken() -> None:
    targets = Lists(np.array([0, 5]), np.arange(5, dtype=np.int32))
    assert mean_ndcg(distinct(np.array([[4, 0]])), targets, 2) == pytest.approx(1.0)


def test_recall_hit_rate_and_reciprocal_rank_by_hand() -> None:
    assert recall(JUDGED, 3) == pytest.approx([2 / 3, 0])
    assert hit_rate(JUDGED, 3).tolist() == [1, 0]
    assert reciprocal_rank(JUDGED, 3).tolist() == [1, 0]
    later = judge(distinct(np.array([[1, 5]])), Lists(np.array([0, 1]), np.array([5], dtype=np.int32)))
    assert reciprocal_rank(later, 2).tolist() == [0.5]
    assert reciprocal_rank(later, 1).tolist() == [0]


def test_coverage_counts_items_shown_to_anybody() -> None:
    assert coverage(JUDGED, 3, 8) == pytest.approx(4 / 8)


def plain_metrics(ranking: list[int], wanted: set[int], cutoff: int) -> dict[str, float]:
    """The metrics of one list without ties, place by place."""
    places = [place for place, item in enumerate(ranking[:cutoff], start=1) if item in wanted]
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(cutoff, len(wanted)) + 1))
    return {
        "ndcg": sum(1 / math.log2(place + 1) for place in places) / ideal,
        "recall": len(places) / len(wanted),
        "hr": float(bool(places)),
        "mrr": 1 / places[0] if places else 0.0,
    }


def test_the_summary_equals_a_plain_loop_on_random_rankings() -> None:
    generator = np.random.default_rng(0)
    num_users, num_items, cutoff = 200, 50, 10
    rows = np.stack([generator.permutation(num_items)[:20] for _ in range(num_users)])
    taken = [np.sort(generator.permutation(num_items)[: generator.integers(1, 15)]) for _ in range(num_users)]
    targets = Lists(np.concatenate([[0], np.cumsum([len(t) for t in taken])]), np.concatenate(taken).astype(np.int32))
    expected = [plain_metrics(row, set(t.tolist()), cutoff) for row, t in zip(rows.tolist(), taken, strict=True)]
    summary = summarise(distinct(rows), targets, num_items, cutoff)
    for name in expected[0]:
        mean = np.mean([one[name] for one in expected])
        assert summary[f"{name}@{cutoff}"] == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("scores", [[1, 1, 1, 1, 1], [3, 2, 2, 2, 1], [2, 2, 1, 1, 1], [5, 4, 3, 2, 2]])
@pytest.mark.parametrize("wanted", [[0], [2], [1, 3], [0, 2, 4]])
@pytest.mark.parametrize("cutoff", [1, 2, 3, 5])
def test_ties_count_as_the_mean_over_all_their_orders(scores: list[int], wanted: list[int], cutoff: int) -> None:
    orders = [
        order for order in itertools.permutations(range(5)) if sorted(order, key=lambda i: -scores[i]) == [*order]
    ]
    assert len(orders) > 1
    means = {
        name: np.mean([plain_metrics([*order], set(wanted), cutoff)[name] for order in orders])
        for name in ("ndcg", "recall", "hr", "mrr")
    }
    shown = np.mean([[row in order[:cutoff] for row in range(5)] for order in orders], axis=0).sum() / 5
    targets = Lists(np.array([0, len(wanted)]), np.array(wanted, dtype=np.int32))
    ranked = np.array([scores], dtype=np.float32), np.arange(5)[np.newaxis]
    summary = summarise(ranked, targets, 5, cutoff)
    for name, mean in means.items():
        assert summary[f"{name}@{cutoff}"] == pytest.approx(mean, abs=1e-12), name
    assert summary[f"coverage@{cutoff}"] == pytest.approx(shown, abs=1e-12)


def test_a_constant_scorer_gets_what_chance_gets_whatever_the_ids_are() -> None:
    num_items, cutoff = 40, 10
    constant = np.zeros((1, num_items), dtype=np.float32), np.arange(num_items)[np.newaxis]
    for target in (0, 17, 39):
        targets = Lists(np.array([0, 1]), np.array([target], dtype=np.int32))
        summary = summarise(constant, targets, num_items, cutoff)
        assert summary[f"hr@{cutoff}"] == pytest.approx(cutoff / num_items)
        assert summary[f"recall@{cutoff}"] == pytest.approx(cutoff / num_items)


def test_other_ids_of_the_same_items_change_nothing() -> None:
    """Rows follow the ids, and ties stand in the order of rows; here every item gets another one."""
    generator = np.random.default_rng(3)
    num_users, num_items, cutoff = 50, 30, 10
    scores_BN = generator.integers(0, 5, (num_users, num_items)).astype(np.float32)
    taken_BN = generator.random((num_users, num_items)) < 0.2
    taken_BN[:, 0] = True

    def summary(old_rows_N: NDArray[np.int64]) -> dict[str, float]:
        scores, taken = scores_BN[:, old_rows_N], taken_BN[:, old_rows_N]
        order = np.argsort(-scores, axis=1, kind="stable")
        indptr = np.concatenate(([0], np.cumsum(taken.sum(axis=1))))
        targets = Lists(indptr, np.nonzero(taken)[1].astype(np.int32))
        return summarise((np.take_along_axis(scores, order, 1), order), targets, num_items, cutoff)

    assert summary(generator.permutation(num_items)) == pytest.approx(summary(np.arange(num_items)), abs=1e-12)


def test_padding_ties_with_nothing() -> None:
    scores_BK = np.array([[1, 1, -np.inf, -np.inf]], dtype=np.float32)
    targets = Lists(np.array([0, 1]), np.array([7], dtype=np.int32))
    summary = summarise((scores_BK, np.array([[7, 2, -1, -1]])), targets, 10, 4)
    assert summary["ndcg@4"] == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert (summary["recall@4"], summary["hr@4"]) == (1, 1)
    assert summary["coverage@4"] == pytest.approx(2 / 10)


def test_the_bootstrap_interval_holds_the_mean_and_shrinks_with_the_users() -> None:
    generator = np.random.default_rng(1)
    few, many = generator.normal(0.1, 1, 50), generator.normal(0.1, 1, 5000)
    low, high = paired_bootstrap(many, seed=0)
    assert low < many.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(5000), rel=0.1)
    wide = paired_bootstrap(few, seed=0)
    assert wide[1] - wide[0] > 5 * (high - low)
    assert paired_bootstrap(few, seed=0) == wide
