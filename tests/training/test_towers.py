"""The towers and the ranker as graphs: padding, cold items, independent candidates, sampled softmax, calibration."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from shortlist_training.models.ranker.attention import ExportedRanker, RankerGraph
from shortlist_training.models.ranker.features import NUM_ITEM_FEATURES, ItemTables
from shortlist_training.models.ranker.stacked import Stacked
from shortlist_training.models.two_tower.towers import ExportedUserTower

from shortlist_training.data.histories import Lists
from shortlist_training.loop import EpochBatches, Schedule
from shortlist_training.models.ranker.training import calibrate, calibration_error, ranked_rows
from shortlist_training.models.two_tower.text import TextTable, text_table
from shortlist_training.models.two_tower.training import Towers, TwoTowerTraining
from shortlist_training.recipes import Recipe

RECIPE = Recipe(name="test", max_history=5)
NUM_ITEMS = 30


def texts(titles: list[str]) -> TextTable:
    columns = {"title": titles, **dict.fromkeys(("text", "tags", "categories"), [""] * len(titles))}
    return text_table(pl.DataFrame(columns), RECIPE.two_tower.text_buckets, 8)


def some_towers() -> Towers:
    torch.manual_seed(0)
    return Towers(NUM_ITEMS, texts([f"{'red' if n % 2 else 'blue'} lamp" for n in range(NUM_ITEMS)]), RECIPE)


def random_tables() -> ItemTables:
    torch.manual_seed(1)
    vectors, words = (torch.nn.functional.normalize(torch.randn(NUM_ITEMS + 1, size), dim=1) for size in (7, 8))
    return ItemTables(vectors, words, torch.randn(NUM_ITEMS + 1, NUM_ITEM_FEATURES))


def test_padding_in_front_does_not_change_a_user_vector_but_a_position_does() -> None:
    towers = some_towers()
    graph = ExportedUserTower(towers.users, towers.item_vectors()).eval()
    with torch.no_grad():
        towers.users.position_L.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]))
        one, other, empty = graph(torch.tensor([[0, 0, 0, 3, 7], [0, 0, 0, 7, 3], [0, 0, 0, 0, 0]]))
    assert torch.isfinite(empty).all()
    assert one[-1] == other[-1] == 1
    assert not torch.allclose(one, other)


def test_an_item_without_events_has_the_vector_of_its_text_and_the_mean_bias() -> None:
    towers = some_towers()
    known_N = np.ones(NUM_ITEMS, dtype=np.bool_)
    known_N[[4, 6]] = False
    towers.items.set_known(known_N)
    with torch.no_grad():
        towers.items.bias.copy_(torch.arange(NUM_ITEMS, dtype=torch.float32))
        expected = towers.items.text(torch.tensor([4]))[0]
        expected[-1] += towers.items.bias[torch.from_numpy(known_N)].mean()
    vectors = towers.item_vectors()
    assert vectors[4] == pytest.approx(expected.numpy(), abs=1e-6)
    assert vectors[4].tolist() == vectors[6].tolist(), "the same title, and nothing else is known"
    assert vectors[4].tolist() != vectors[8].tolist()


def test_id_dropout_spares_items_without_text() -> None:
    recipe = replace(RECIPE, two_tower=replace(RECIPE.two_tower, id_dropout=1.0))
    towers = Towers(4, texts(["red lamp", "red lamp", "", ""]), recipe)
    towers.train()
    vectors = towers.items(torch.arange(4))
    assert torch.equal(vectors[0], vectors[1])
    assert vectors[2:].abs().sum() > 0


def test_the_sampled_softmax_agrees_with_the_full_one_on_average() -> None:
    towers = some_towers()
    towers.eval()
    settings = replace(RECIPE.two_tower, num_negatives=15)
    batch = [torch.tensor([[0, 0, 0, 3, 7]] * 2), torch.tensor([[1, 2], [1, -1]]), torch.ones(2)]
    batches = EpochBatches(group_sizes=(2,), batch_size=2, seed=0)
    schedule = Schedule(learning_rate=1.0, num_steps=10, weight_decay=0.0)
    means = {}
    for limit, draws in ((NUM_ITEMS, 1), (NUM_ITEMS - 1, 300)):
        recipe = replace(RECIPE, two_tower=replace(settings, full_softmax_items=limit))
        training = TwoTowerTraining(towers, recipe, batch, batches, schedule, None)
        with torch.no_grad():
            means[limit] = float(torch.stack([training.loss(batch) for _ in range(draws)]).mean())
    # The mean of a logarithm lies a little below; without the correction it would be 0.5 below.
    assert means[NUM_ITEMS - 1] == pytest.approx(means[NUM_ITEMS], abs=0.1)
    assert means[NUM_ITEMS] == pytest.approx(np.log(NUM_ITEMS), abs=1.0)


def test_a_probability_does_not_depend_on_the_other_candidates_or_users() -> None:
    torch.manual_seed(2)
    graph = RankerGraph(5, 3, RECIPE.ranker)
    ranker = ExportedRanker(graph, random_tables(), 1.3, -0.2).eval()
    histories = torch.tensor([[0, 0, 3, 4, 5], [0, 0, 0, 0, 0]])
    recency = torch.tensor([[0.0, 0, 9, 1, 0], [0, 0, 0, 0, 0]])
    candidates, scores = torch.tensor([[1, 2, 9, 0], [8, 1, 2, 0]]), torch.rand(2, 4, 3)
    with torch.no_grad():
        together = ranker(histories, recency, candidates, scores)
        alone = ranker(histories[:1], recency[:1], candidates[:1, 2:3], scores[:1, 2:3])
    assert together.shape == (2, 4, 1)
    assert torch.isfinite(together).all()
    assert ((together > 0) & (together < 1)).all()
    assert float(alone[0, 0, 0]) == pytest.approx(float(together[0, 2, 0]), abs=1e-6)


def test_an_untrained_ranker_keeps_the_order_of_the_weighted_scores() -> None:
    torch.manual_seed(3)
    graph = RankerGraph(5, 3, RECIPE.ranker).eval()
    graph.start_from([0.6, 0.4, 0.0])
    scores = torch.rand(1, 20, 3)
    with torch.no_grad():
        logits = graph(
            torch.tensor([[0, 0, 3, 4, 5]]),
            torch.zeros(1, 5),
            torch.arange(1, 21).unsqueeze(0),
            scores,
            random_tables(),
        )
    expected = scores[0] @ torch.tensor([0.6, 0.4, 0.0])
    assert torch.argsort(logits[0]).tolist() == torch.argsort(expected).tolist()


def stacked_of(candidates: list[list[int]], labels: list[list[float]]) -> Stacked:
    count = len(candidates)
    return Stacked(
        torch.zeros(count, 5, dtype=torch.int64),
        torch.zeros(count, 5),
        torch.tensor(candidates),
        torch.zeros(count, len(candidates[0]), 3),
        torch.tensor(labels),
        Lists(np.arange(count + 1), np.zeros(count, dtype=np.int32)),
        random_tables(),
    )


def test_ranked_rows_break_ties_by_row_and_put_padding_last() -> None:
    window = stacked_of([[5, 2, 9, 0]], [[0, 0, 0, 0]])
    assert ranked_rows(window, np.array([[1.0, 1.0, 2.0, 9.0]], dtype=np.float32)).tolist() == [[8, 1, 4, -1]]


def test_calibration_finds_the_scale_and_shift_of_the_logits() -> None:
    generator = np.random.default_rng(0)
    true_logits = generator.normal(-2, 1.5, (400, 50))
    labels = (generator.random((400, 50)) < 1 / (1 + np.exp(-true_logits))).astype(np.float32)
    window = stacked_of(np.ones((400, 50), dtype=int).tolist(), labels.tolist())
    slope, intercept = calibrate(window, ((true_logits - 1) * 2).astype(np.float32))
    assert slope == pytest.approx(0.5, abs=0.02)
    assert intercept == pytest.approx(1.0, abs=0.05)
    probabilities = 1 / (1 + np.exp(-true_logits)).ravel()
    assert calibration_error(probabilities, labels.ravel().astype(np.float64)) < 0.01
    assert calibration_error(probabilities**0.5, labels.ravel().astype(np.float64)) > 0.1
