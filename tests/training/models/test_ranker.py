"""The ranker: independent candidates, its start, its features and graph, calibration, the fit on stacked windows."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from shortlist_training.data.dataset import Dataset
from shortlist_training.data.histories import Lists
from shortlist_training.data.queries import Split
from shortlist_training.errors import GateError, InputError
from shortlist_training.funnel import Funnel
from shortlist_training.models.draft import ModelDraft
from shortlist_training.models.family import Model, Run
from shortlist_training.models.popular.model import fit as fit_popular
from shortlist_training.models.popular.settings import PopularSettings
from shortlist_training.models.ranker.calibration import calibrate, calibration_error, crossed_error
from shortlist_training.models.ranker.model import Ranker, fit
from shortlist_training.models.ranker.network import Inputs, RankerGraph, RankerNetwork
from shortlist_training.models.ranker.settings import RankerSettings
from shortlist_training.models.ranker.windows import Window, sales_rates
from shortlist_training.models.stacking import Stacked, stack
from shortlist_training.models.two_tower.model import fit as fit_towers
from shortlist_training.models.two_tower.settings import TwoTowerSettings
from shortlist_training.protocols.global_time import GlobalTime
from shortlist_training.protocols.protocol import Limits
from tests.training.data_sets import dataset_of
from tests.training.shop import shop_events

SETTINGS = RankerSettings(max_history=5)
TRUE = np.ones(400, np.bool_)


def inputs(num_candidates: int, num_users: int = 2, num_sources: int = 3) -> Inputs:
    """Random features; the second user has no history."""
    torch.manual_seed(1)
    items = torch.tensor([[0, 0, 3, 4, 5], [0, 0, 0, 0, 0]])[:num_users]
    recency = torch.tensor([[0.0, 0, 9, 1, 0], [0, 0, 0, 0, 0]])[:num_users]
    return Inputs(
        items,
        recency,
        [torch.randn(num_users, 5, size) * (items > 0).unsqueeze(-1) for size in (7, 8)],
        [torch.randn(num_users, num_candidates, size) for size in (7, 8)],
        [torch.randn(num_users, num_candidates) for _ in range(3)],
        torch.rand(num_users, num_candidates, num_sources),
    )


def features_of(given: Inputs) -> tuple[torch.Tensor, ...]:
    """In the order in which the graph takes them."""
    return (*given[:2], *given.history_vectors, *given.candidate_vectors, *given.numeric, given.scores_BCS)


def network(num_bias: Sequence[int] = (1, 0), num_numeric: int = 3, num_sources: int = 3) -> RankerNetwork:
    torch.manual_seed(2)
    return RankerNetwork(num_bias, num_numeric, num_sources, SETTINGS).eval()


def test_a_probability_does_not_depend_on_the_other_candidates_or_users() -> None:
    ranker = RankerGraph(network(), 3, 1.3, -0.2).eval()
    features = features_of(inputs(4))
    with torch.no_grad():
        together = ranker(*features)
        alone = ranker(*(part[:1, 2:3] if part.shape[1] == 4 else part[:1] for part in features))
    assert together.shape == (2, 4, 1)
    assert torch.isfinite(together).all()
    assert ((together > 0) & (together < 1)).all()
    assert float(alone[0, 0, 0]) == pytest.approx(float(together[0, 2, 0]), abs=1e-6)


def test_an_untrained_ranker_keeps_the_order_of_the_weighted_scores() -> None:
    graph = network()
    graph.start_from([0.6, 0.4, 0.0])
    given = inputs(20, num_users=1)
    with torch.no_grad():
        logits = graph(given)
    expected = given.scores_BCS[0] @ torch.tensor([0.6, 0.4, 0.0])
    assert torch.argsort(logits[0]).tolist() == torch.argsort(expected).tolist()


def test_the_bias_of_a_space_and_the_length_of_a_vector_say_nothing_of_similarity() -> None:
    graph, given = network(), inputs(4)
    scaled = [vectors * 3 for vectors in given.candidate_vectors]
    scaled[0][..., -1] = 50.0
    with torch.no_grad():
        assert torch.allclose(graph(given), graph(given._replace(candidate_vectors=scaled)), atol=1e-5)


def test_a_ranker_without_spaces_and_rates_ranks_by_scores_ages_and_lengths() -> None:
    given = inputs(4)._replace(history_vectors=[], candidate_vectors=[], numeric=[])
    with torch.no_grad():
        logits = network(num_bias=(), num_numeric=0)(given)
    assert logits.shape == (2, 4)
    assert torch.isfinite(logits).all()


def window_of(labels: np.ndarray) -> Window:
    count, num_candidates = labels.shape
    return Window(
        torch.zeros(count, 5, dtype=torch.int64),
        torch.zeros(count, 5),
        torch.ones(count, num_candidates, dtype=torch.int64),
        torch.zeros(count, num_candidates, 3),
        torch.from_numpy(labels.astype(np.float32)),
        Lists(np.arange(count + 1), np.zeros(count, dtype=np.int32)),
        [],
        torch.zeros(2, 0),
    )


def test_calibration_finds_the_scale_and_shift_of_the_logits() -> None:
    generator = np.random.default_rng(0)
    true_logits = generator.normal(-2, 1.5, (400, 50))
    labels = generator.random((400, 50)) < 1 / (1 + np.exp(-true_logits))
    window = window_of(labels)
    given = ((true_logits - 1) * 2).astype(np.float32)
    slope, intercept = calibrate(window, given, TRUE)
    assert slope == pytest.approx(0.5, abs=0.02)
    assert intercept == pytest.approx(1.0, abs=0.05)
    probabilities = 1 / (1 + np.exp(-true_logits)).ravel()
    assert calibration_error(probabilities, labels.ravel().astype(np.float64)) < 0.01
    assert calibration_error(probabilities**0.5, labels.ravel().astype(np.float64)) > 0.1
    assert crossed_error(window, given) < 0.02


def test_a_window_without_a_hit_or_with_hits_where_logits_are_low_keeps_the_order() -> None:
    logits = np.linspace(-1, 1, 20, dtype=np.float32).reshape(2, 10)
    for labels in (np.zeros((2, 10)), (logits < 0).astype(float)):
        slope, intercept = calibrate(window_of(labels), logits, np.ones(2, np.bool_))
        assert slope > 0
        assert np.isfinite(intercept)


def test_sales_rates_are_those_of_the_moment_against_the_mean_item() -> None:
    day = 86_400
    dataset = dataset_of([("u", "a", 1), ("v", "a", 2), ("u", "b", 30 * day), ("w", "c", 99 * day)]).before(31 * day)
    ((a, b, c),) = sales_rates(dataset, [1.0])
    assert b > a
    assert a == pytest.approx(c, abs=1e-4), "what sold long ago is worth no more than what never did"
    ((a, b, _),) = sales_rates(dataset, [1e9])
    assert a == pytest.approx(np.log(2.1))
    assert b == pytest.approx(np.log(1.1))


SHAPES = TwoTowerSettings(max_history=8, dim=16, hidden=16, max_epochs=2, refit_epochs=1, patience=1)


def run_in(directory: Path, name: str, stage: str = "test", previous: Model | None = None) -> Run:
    console = Console(file=io.StringIO())
    return Run(name=name, stage=stage, seed=3, log_dir=directory, resume=False, console=console, previous=previous)


def stacks_of(dataset: Dataset, directory: Path) -> list[Stacked]:
    """Two towers and popularity before each of the shop's windows; the last one is calibration."""
    limits = Limits(validation_users=1000, stacking_users=1000, seed=0)
    splits = GlobalTime().training(dataset, limits, all_data=False)
    stacks: list[Stacked] = []
    previous: Model | None = None
    for split in (*splits.choosing, splits.calibration):
        run = run_in(directory, "towers", split.name, previous)
        previous = fit_towers(split.train, SHAPES, run, None if previous else split)
        models = [previous, fit_popular(split.train, PopularSettings(), run_in(directory, "popular"))]
        stacks.append(stacked(split, models))
    return stacks


def stacked(split: Split, models: Sequence[Model]) -> Stacked:
    funnel = Funnel(
        sources={model.name: model.source for model in models},
        weights=(0.7, 0.3),
        num_candidates=30,
        allowed_N=np.ones(split.train.num_items, np.bool_),
    )
    return stack(split, funnel, models, funnel.retrieve(split.task.queries))


def fit_in(directory: Path, stacks: Sequence[Stacked]) -> Ranker:
    settings = replace(SETTINGS, spaces=("towers", "towers.text", "not there"), num_epochs=2)
    return fit(stacks[:-1], settings, run_in(directory, "ranker"), stacks[-1])


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Stacked]:
    return stacks_of(dataset_of(shop_events()), tmp_path_factory.mktemp("stacks"))


def test_the_same_seed_gives_the_same_bits(stacks: list[Stacked], tmp_path: Path) -> None:
    one, other = (fit_in(tmp_path / name, stacks).score(stacks[-1]) for name in ("a", "b"))
    assert one.tobytes() == other.tobytes()
    assert ((one > 0) == (stacks[-1].rows_BC >= 0)).all()
    assert (one < 1).all()


def test_the_exported_graph_answers_as_the_model_does_and_is_free_in_batch_and_candidates(
    stacks: list[Stacked], tmp_path: Path
) -> None:
    ranker, last = fit_in(tmp_path / "logs", stacks), stacks[-1]
    assert ranker.spaces == ("towers",), "without titles there are no texts"
    lines: list[str] = []
    with ModelDraft(tmp_path / "package", last.queries, lines.append) as draft:
        entry = ranker.export(draft, last)
        features = {one.feature for one in entry.graph.inputs}
        assert set(draft.numeric) == {"sales_rate_1", "sales_rate_2", "sales_rate_3"}
        with pytest.raises(InputError, match="'sales_rate_1' is one that the recipe computes"):
            ranker.export(draft, last)
    assert {"history.vectors:towers", "candidate.vectors:towers", "candidate.numeric:sales_rate_2"} <= features
    assert [head.name for head in entry.heads] == ["purchase"]
    assert float(lines[0].rsplit(maxsplit=1)[1]) <= 1e-4
    assert ranker.describe().keys() >= {"settings", "spaces", "num_parameters", "slope", "calibration_error"}


def test_a_graph_that_answers_otherwise_is_refused(stacks: list[Stacked], tmp_path: Path) -> None:
    """Whatever the exporter gets wrong: here, a score that changes from call to call."""
    ranker = fit_in(tmp_path / "logs", stacks)

    class Restless(torch.nn.Module):
        def forward(self, logits: torch.Tensor) -> torch.Tensor:
            return logits + (0.0 if torch.compiler.is_exporting() else 1.0)

    ranker.network.perceptron.append(Restless())
    with (
        pytest.raises(GateError, match="gate parity: ranker: ONNX differs"),
        ModelDraft(tmp_path / "package", stacks[-1].queries, lambda text: None) as draft,
    ):
        ranker.export(draft, stacks[-1])
    assert not list(tmp_path.glob("*package*")), "the draft is gone"
