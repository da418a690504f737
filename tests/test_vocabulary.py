"""The words are those of the contract, and the limits that comments state are those that code checks."""

import re
from pathlib import Path
from typing import get_args

import pytest

from shortlist import vocabulary
from shortlist.v1 import answer_pb2, history_pb2
from shortlist_kernels import arrays
from shortlist_server.pipeline import query

PROTOS = Path(__file__).parent.parent / "protos" / "shortlist" / "v1"


def test_the_words_that_callers_and_files_use_stay_what_they_are() -> None:
    """New ones may come; a word that is renamed breaks callers, and a number that changes breaks what is stored."""
    assert vocabulary.EVENT_TYPES == {
        "view": 1, "click": 2, "cart": 3, "purchase": 4, "like": 5, "dislike": 6, "rating": 7,
    }  # fmt: skip
    assert vocabulary.LEVELS == {"none": 1, "brief": 2, "full": 3}
    assert vocabulary.FUSION_METHODS == {"weighted": 1, "rrf": 2, "round_robin": 3, "max": 4, "borda": 5}
    assert vocabulary.NORMALISATIONS == {"minmax": 1, "zscore": 2, "none": 3}
    assert vocabulary.DIVERSITY_METHODS == {"mmr": 1, "dpp": 2}
    assert vocabulary.AVAILABILITIES == {"available": 1, "any": 2}
    assert vocabulary.SEEN_POLICIES == {"exclude": 1, "exclude_purchased": 2, "include": 3}


def test_numbers_have_names_even_when_a_newer_server_sent_them() -> None:
    assert vocabulary.enum_name(history_pb2.EventType, history_pb2.EVENT_TYPE_DISLIKE) == "dislike"
    assert vocabulary.enum_name(answer_pb2.Stage, answer_pb2.STAGE_UNSPECIFIED) == "unspecified"
    assert vocabulary.enum_name(answer_pb2.Stage, 99) == "99"


def comment_of(file: str, field: str) -> str:
    """The comment above the first field that is declared so, on one line."""
    lines = (PROTOS / file).read_text("utf-8").splitlines()
    start = end = next(number for number, line in enumerate(lines) if line.strip() == field)
    while lines[start - 1].strip().startswith("//"):
        start -= 1
    return " ".join(line.strip().removeprefix("//").strip() for line in lines[start:end])


@pytest.mark.parametrize(
    ("file", "field", "pattern", "limit"),
    [
        ("event.proto", "string user_id = 1;", r"1\.\.([\d,]+) bytes of UTF-8", vocabulary.MAX_ID_BYTES),
        ("event.proto", "string item_id = 2;", r"1\.\.([\d,]+) bytes of UTF-8", vocabulary.MAX_ID_BYTES),
        ("history.proto", "repeated string item_ids = 1;", r"1\.\.([\d,]+) bytes of UTF-8", vocabulary.MAX_ID_BYTES),
        ("catalog.proto", "string item_id = 1;", r"1\.\.([\d,]+) bytes of UTF-8", vocabulary.MAX_ID_BYTES),
        ("catalog.proto", "string title = 2;", r"at most ([\d,]+) bytes", vocabulary.MAX_TITLE_BYTES),
        ("event.proto", "int64 timestamp = 4;", r"0\.\.([\d,]+)", vocabulary.MAX_TIMESTAMP),
        ("history.proto", "repeated int64 timestamps = 2;", r"0\.\.([\d,]+)", vocabulary.MAX_TIMESTAMP),
        ("recommendation.proto", "optional int32 k = 3;", r"1\.\.([\d,]+)", vocabulary.MAX_K),
        ("search.proto", "optional int32 k = 3;", r"1\.\.([\d,]+)", vocabulary.MAX_K),
    ],
)
def test_a_limit_is_the_one_that_the_contract_states(file: str, field: str, pattern: str, limit: int) -> None:
    (stated,) = re.findall(pattern, comment_of(file, field))
    assert int(stated.replace(",", "")) == limit


def test_every_message_of_events_states_the_same_most() -> None:
    stated = re.findall(r"// The (?:next )?events, 1\.\.([\d,]+)", (PROTOS / "event.proto").read_text("utf-8"))
    assert [int(most.replace(",", "")) for most in stated] == [vocabulary.MAX_EVENTS_PER_MESSAGE] * 2


def test_no_comment_states_another_limit_for_ids_or_times() -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted(PROTOS.glob("*.proto")))
    assert set(re.findall(r"1\.\.(\d+) bytes", text)) == {str(vocabulary.MAX_ID_BYTES)}
    assert set(re.findall(r"0\.\.(\d{9,})", text)) == {str(vocabulary.MAX_TIMESTAMP)}


def test_the_kernels_and_the_servers_types_know_the_same_words() -> None:
    """Kernels import no contract, and a Literal cannot be made from a table."""
    assert set(arrays.FUSION_METHODS) == set(get_args(query.FusionName)) == set(vocabulary.FUSION_METHODS)
    assert set(arrays.FUSION_NORMS) == set(get_args(query.NormName)) == set(vocabulary.NORMALISATIONS)
    assert get_args(query.DiversityName) == tuple(vocabulary.DIVERSITY_METHODS)
    assert get_args(query.SeenPolicyName) == tuple(vocabulary.SEEN_POLICIES)
    assert get_args(query.ExplanationName) == tuple(vocabulary.LEVELS)
