"""Graphs are fed with the features that the manifest names, as training builds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.package.features import FEATURES, parse_feature
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.features import BUILDERS, FeatureBuilder, FeatureInputs
from shortlist_server.pipeline.types import Profiles

SAMPLES = {"history.vectors": ":two_tower", "candidate.vectors": ":two_tower", "candidate.numeric": ":price"}
INPUTS = FeatureInputs(
    profiles=Profiles(
        history_rows_BL=np.array([[-1, 4, 2], [-1, -1, -1]]),
        history_times_BL=np.array([[0, 86_400, 216_000], [0, 0, 0]]),
        history_types_BL=np.array([[0, 1, 4], [0, 0, 0]], np.uint8),
        history_values_BL=np.array([[0, 2.5, 1], [0, 0, 0]], np.float32),
        seen_rows=(np.array([2, 4]), np.array([], np.int64)),
        seen_types=(np.array([1, 1], np.uint8), np.array([], np.uint8)),
        num_unknown_B=np.zeros(2, np.int64),
    ),
    contexts=({"hour": 7.0}, {}),
    rows_BC=np.array([[3, -1], [9, 3]]),
    raw_BCS=np.zeros((2, 2, 3), np.float32),
)


@pytest.fixture(scope="module")
def builder(package: Package) -> FeatureBuilder:
    return FeatureBuilder(package.catalog, package.spaces)


def build(builder: FeatureBuilder, text: str, length: int = 3) -> NDArray[Any]:
    feature = parse_feature(text)
    return BUILDERS[feature.name](builder, INPUTS, length, feature.argument)


def test_every_feature_of_the_contract_is_built_with_its_type_and_axes(builder: FeatureBuilder) -> None:
    assert BUILDERS.keys() == FEATURES.keys()
    for name, spec in FEATURES.items():
        built = build(builder, "context.hour" if name == "context" else name + SAMPLES.get(name, ""))
        assert (str(built.dtype), built.ndim) == (spec.dtype, len(spec.axes)), name


def test_rows_are_counted_from_one_and_padding_is_zero(builder: FeatureBuilder) -> None:
    assert build(builder, "history.items").tolist() == [[0, 5, 3], [0, 0, 0]]
    assert build(builder, "candidate.items").tolist() == [[4, 0], [10, 4]]
    assert build(builder, "history.types").tolist() == [[0, 1, 4], [0, 0, 0]]
    assert build(builder, "history.values").tolist() == [[0, 2.5, 1], [0, 0, 0]]


def test_recency_counts_days_back_from_the_latest_item(builder: FeatureBuilder) -> None:
    assert build(builder, "history.recency_days").tolist() == [[0.0, 1.5, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(("length", "items"), [(1, [[3], [0]]), (2, [[5, 3], [0, 0]]), (5, [[0, 0, 0, 5, 3], [0] * 5])])
def test_each_graph_sees_a_history_of_its_own_length(
    builder: FeatureBuilder, length: int, items: list[list[int]]
) -> None:
    assert build(builder, "history.items", length).tolist() == items
    assert build(builder, "history.vectors:two_tower", length).shape == (2, length, 8)


def test_vectors_are_those_of_the_items_and_zero_at_padding(builder: FeatureBuilder, package: Package) -> None:
    vectors = build(builder, "candidate.vectors:two_tower")
    assert not vectors[0, 1].any()
    assert vectors[1, 0].tobytes() == package.spaces["two_tower"].vectors(np.array([9])).tobytes()
    assert not build(builder, "history.vectors:two_tower")[1].any()


def test_an_unknown_number_is_zero(builder: FeatureBuilder) -> None:
    assert build(builder, "candidate.numeric:price").tolist() == [[0.0, 0.0], [1.0 + 9 / 4, 0.0]]
    assert build(builder, "context.hour").tolist() == [7.0, 0.0]


def test_a_number_beyond_float32_is_its_largest(builder: FeatureBuilder) -> None:
    far = FeatureInputs(profiles=INPUTS.profiles, contexts=({"hour": 1e300}, {"hour": -1e300}))
    built = BUILDERS["context"](builder, far, 0, "hour")
    assert built.tolist() == [float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)]
