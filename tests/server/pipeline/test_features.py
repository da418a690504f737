"""The feature registry builds what the manifest names, as training does."""

from __future__ import annotations

import numpy as np

from shortlist_server.catalog.features import FEATURES as DECLARED
from shortlist_server.catalog.package import Package
from shortlist_server.pipeline.batch import Profiles
from shortlist_server.pipeline.features import FEATURES, FeatureInputs, build_features

INPUTS = FeatureInputs(
    profiles=Profiles(
        history_rows_BL=np.array([[-1, 4, 2], [-1, -1, -1]]),
        history_times_BL=np.array([[0, 86_400, 216_000], [0, 0, 0]]),
        seen_rows=(np.array([2, 4]), np.array([], np.int64)),
        seen_types=(np.array([1, 1], np.uint8), np.array([], np.uint8)),
        num_unknown_B=np.zeros(2, np.int64),
    ),
    candidate_rows_BC=np.array([[0, -1], [9, 3]]),
    retrieval_scores_BCS=np.zeros((2, 2, 3), np.float32),
)


def test_every_feature_that_a_manifest_may_name_can_be_built() -> None:
    assert FEATURES.keys() == DECLARED.keys()
    for name, build in FEATURES.items():
        assert build(INPUTS).dtype == DECLARED[name].dtype
        assert build(INPUTS).ndim == len(DECLARED[name].axes)


def test_rows_are_counted_from_one_and_padding_is_zero() -> None:
    assert FEATURES["history.items"](INPUTS).tolist() == [[0, 5, 3], [0, 0, 0]]
    assert FEATURES["candidate.items"](INPUTS).tolist() == [[1, 0], [10, 4]]


def test_recency_counts_days_back_from_the_latest_item() -> None:
    assert FEATURES["history.recency_days"](INPUTS).tolist() == [[0.0, 1.5, 0.0], [0.0, 0.0, 0.0]]


def test_exactly_the_named_features_are_built_under_the_names_of_the_inputs(package: Package) -> None:
    spec = package.models["user_tower"].spec
    names = {tensor.name: tensor.feature for tensor in spec.inputs}
    assert build_features(names, INPUTS).keys() == {"history_items"}
