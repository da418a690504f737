"""The two towers as networks: padding, cold items, id dropout, sampled softmax, numbers that ids do not touch."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from shortlist_training.data.histories import histories_of
from shortlist_training.loop import EpochBatches, Schedule
from shortlist_training.models.two_tower.batches import history_numbers, number_items
from shortlist_training.models.two_tower.network import Towers, UserGraph
from shortlist_training.models.two_tower.settings import TwoTowerSettings
from shortlist_training.models.two_tower.text import TextTable, text_table
from shortlist_training.models.two_tower.training import TwoTowerTraining
from tests.training.data_sets import dataset_of, ids_of

SETTINGS = TwoTowerSettings(max_history=5)
NUM_ITEMS = 30


def texts(titles: list[str]) -> TextTable:
    columns = {"title": titles, **dict.fromkeys(("text", "tags", "categories"), [""] * len(titles))}
    return text_table(pl.DataFrame(columns), SETTINGS.text_buckets, 8)


def some_towers() -> Towers:
    torch.manual_seed(0)
    return Towers(NUM_ITEMS, texts([f"{'red' if n % 2 else 'blue'} lamp" for n in range(NUM_ITEMS)]), SETTINGS)


def test_padding_in_front_does_not_change_a_user_vector_but_a_position_does() -> None:
    towers = some_towers()
    table = torch.cat([torch.zeros(1, SETTINGS.dim), torch.from_numpy(towers.item_vectors())])
    histories = torch.tensor([[0, 0, 0, 3, 7], [0, 0, 0, 7, 3], [0, 0, 0, 0, 0]])
    noise = torch.where((histories > 0).unsqueeze(-1), table[histories], 99.0)
    graph = UserGraph(towers.users).eval()
    with torch.no_grad():
        towers.users.position_L.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]))
        one, other, empty = graph(histories, table[histories])
        padded, _, _ = graph(histories, noise)
    assert torch.isfinite(empty).all()
    assert one[-1] == other[-1] == 1
    assert not torch.allclose(one, other)
    assert torch.equal(one, padded), "what stands at padding is not looked at"


def test_an_item_without_events_has_the_vector_of_its_text_and_the_mean_bias() -> None:
    towers = some_towers()
    towers.items.set_known(20)
    with torch.no_grad():
        towers.items.bias.copy_(torch.arange(NUM_ITEMS, dtype=torch.float32))
        expected = towers.items.text(torch.tensor([24]))[0]
        expected[-1] += towers.items.bias[:20].mean()
    vectors = towers.item_vectors()
    assert vectors[24] == pytest.approx(expected.numpy(), abs=1e-6)
    assert vectors[24].tolist() == vectors[26].tolist(), "the same title, and nothing else is known"
    assert vectors[24].tolist() != vectors[8].tolist()
    assert towers.text_vectors()[24] == pytest.approx(towers.text_vectors()[8], abs=1e-6)


def test_id_dropout_spares_items_without_text() -> None:
    settings = replace(SETTINGS, id_dropout=1.0)
    towers = Towers(4, texts(["red lamp", "red lamp", "", ""]), settings)
    towers.train()
    vectors = towers.items(torch.arange(4))
    assert torch.equal(vectors[0], vectors[1])
    assert vectors[2:].abs().sum() > 0


def test_the_sampled_softmax_agrees_with_the_full_one_on_average() -> None:
    towers = some_towers()
    towers.eval()
    batch = [torch.tensor([[0, 0, 0, 3, 7]] * 2), torch.tensor([[1, 2], [1, -1]]), torch.ones(2)]
    batches = EpochBatches(group_sizes=(2,), batch_size=2, seed=0)
    schedule = Schedule(learning_rate=1.0, num_steps=10, weight_decay=0.0)
    means = {}
    for limit, draws in ((NUM_ITEMS, 1), (NUM_ITEMS - 1, 300)):
        settings = replace(SETTINGS, num_negatives=15, full_softmax_items=limit)
        training = TwoTowerTraining(towers, settings, batch, batches, schedule, None)
        with torch.no_grad():
            means[limit] = float(torch.stack([training.loss(batch) for _ in range(draws)]).mean())
    # The mean of a logarithm lies a little below; without the correction it would be 0.5 below.
    assert means[NUM_ITEMS - 1] == pytest.approx(means[NUM_ITEMS], abs=0.1)
    assert means[NUM_ITEMS] == pytest.approx(np.log(NUM_ITEMS), abs=1.0)


def test_items_are_numbered_by_their_first_event_and_keep_their_numbers() -> None:
    dataset = dataset_of([("u", "c", 1), ("v", "a", 2), ("u", "c", 3), ("u", "d", 4), ("v", "b", 5), ("w", "e", 6)])
    early = number_items(dataset.before(3), None)
    assert (ids_of(dataset, early.rows_N[:2]), early.num_known) == (["c", "a"], 2)
    later = number_items(dataset.before(6), early)
    assert ids_of(dataset, later.rows_N) == ["c", "a", "d", "b", "e"]
    assert later.numbers_N[later.rows_N].tolist() == [0, 1, 2, 3, 4]
    numbers_BL = history_numbers(histories_of(dataset), later, 2)
    assert numbers_BL.tolist() == [[1, 3], [2, 4], [0, 5]]
