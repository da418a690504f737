import re
from pathlib import Path

import pytest

from shortlist.package.features import (
    BATCH,
    CANDIDATES,
    DIMENSIONS,
    FEATURES,
    HISTORY,
    SOURCES,
    known_features,
    parse_feature,
)

PROTO = Path(__file__).parents[3] / "protos" / "shortlist" / "v1" / "manifest.proto"


LETTERS = {BATCH: "B", HISTORY: "L", CANDIDATES: "C", SOURCES: "S", DIMENSIONS: "D"}


@pytest.mark.parametrize("text", known_features())
def test_each_form_of_a_feature_is_one(text: str) -> None:
    assert bool(parse_feature(text).argument) == bool(parse_feature(text).spec.argument)


def test_the_contract_lists_the_same_features_with_the_same_types_and_axes() -> None:
    comment = PROTO.read_text("utf-8").partition("message GraphInput")[2].partition("string feature")[0]
    stated = re.findall(r"((?:history|candidate|context)[.\w]*(?::[A-Z]+)?) (\w+) \[([A-Z, ]+)\]", comment)
    features = [(parse_feature(form), dtype, axes) for form, dtype, axes in stated]
    assert [feature.name for feature, _, _ in features] == list(FEATURES)
    for feature, dtype, axes in features:
        assert feature.spec.dtype == dtype
        assert ", ".join(LETTERS[axis] for axis in feature.spec.axes) == axes


@pytest.mark.parametrize(
    ("text", "name", "argument", "of_history", "of_candidates"),
    [
        ("history.items", "history.items", "", True, False),
        ("history.vectors:items", "history.vectors", "items", True, False),
        ("candidate.items", "candidate.items", "", False, True),
        ("candidate.numeric:a:b", "candidate.numeric", "a:b", False, True),
        ("context.hour", "context", "hour", False, False),
        ("context.hour.of.day", "context", "hour.of.day", False, False),
        ("context.a:b", "context", "a:b", False, False),
    ],
)
def test_a_feature_is_taken_apart(text: str, name: str, argument: str, of_history: bool, of_candidates: bool) -> None:
    feature = parse_feature(text)
    assert (feature.name, feature.argument) == (name, argument)
    assert (feature.is_history, feature.is_candidate) == (of_history, of_candidates)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a feature; there are history.items, "),
        ("history.mood", "'history.mood' is not a feature; there are "),
        ("History.items", "there are "),
        ("history.items:", "did you mean history.items?"),
        ("history.items:5", "did you mean history.items?"),
        ("history.vectors", "did you mean history.vectors:SPACE?"),
        ("history.vectors:", "did you mean history.vectors:SPACE?"),
        ("candidate.numeric", "did you mean candidate.numeric:ATTRIBUTE?"),
        ("context", "did you mean context.NAME?"),
        ("context.", "did you mean context.NAME?"),
        ("context:hour", "did you mean context.NAME?"),
    ],
)
def test_what_is_no_feature_is_told_with_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_feature(text)
    assert message in str(caught.value)
