"""The words and the limits of the contract, once, for everybody who speaks it.

| what | how |
|---|---|
| `EVENT_TYPES`, `LEVELS`, `FUSION_METHODS`, `NORMALISATIONS`, `DIVERSITY_METHODS`, `AVAILABILITIES`, `SEEN_POLICIES` | the name of a value as the client and files spell it -> its number, from the enums of `v1` |
| `enum_name` | the way back, for any enum of `v1` |
| `MAX_...` | the limits that several rooms check; `v1/*.proto` states each beside its fields |

A value that is added to an enum is a word here at once. Imports protobuf only, never gRPC.
"""  # noqa: E501 (a row of a table is one line)

from typing import Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from shortlist.v1 import answer_pb2, filter_pb2, history_pb2, recommendation_pb2

# A key of the event store holds the ids of a user and of an item, and LMDB allows 511 bytes; a UUID has 36.
MAX_ID_BYTES: Final = 128
# The last second of the year 9999, the last that dates can name: milliseconds by mistake lie beyond it.
MAX_TIMESTAMP: Final = 253_402_300_799
# The largest float32, the type of `Event.value`: what is larger would arrive as infinity.
MAX_VALUE: Final = 3.4028234663852886e38
# A title is shown in lists and comes back with every answer: what is longer is a description.
MAX_TITLE_BYTES: Final = 1024
# A message is one transaction, for which the others wait, and has at most 3 MB with so many events of two long ids.
MAX_EVENTS_PER_MESSAGE: Final = 10_000
# Every request of a batch has room for k results of every source; a list that somebody looks at is far shorter.
MAX_K: Final = 1000


def _prefix(enum: EnumTypeWrapper) -> str:
    """What the names of the enum's values begin with; the contract calls each first value `..._UNSPECIFIED`."""
    return enum.Name(0).removesuffix("UNSPECIFIED")


def _numbers(enum: EnumTypeWrapper, **renamed: str) -> dict[str, int]:
    """Name -> number of all values but the unspecified one; `renamed` has the names that are said otherwise."""
    words = {name.removeprefix(_prefix(enum)).lower(): number for name, number in enum.items() if number != 0}
    return {renamed.get(word, word): number for word, number in words.items()}


EVENT_TYPES: Final = _numbers(history_pb2.EventType)
LEVELS: Final = _numbers(answer_pb2.ExplanationLevel)
FUSION_METHODS: Final = _numbers(recommendation_pb2.FusionMethod, reciprocal_rank="rrf")
NORMALISATIONS: Final = _numbers(recommendation_pb2.Normalisation, min_max="minmax", z_score="zscore")
DIVERSITY_METHODS: Final = _numbers(recommendation_pb2.DiversityMethod)
AVAILABILITIES: Final = _numbers(filter_pb2.Availability)
SEEN_POLICIES: Final = _numbers(filter_pb2.SeenPolicy)


def enum_name(enum: EnumTypeWrapper, number: int) -> str:
    """The name of a value without its prefix, in small letters; the number itself when a newer server sent it."""
    descriptor = enum.DESCRIPTOR.values_by_number.get(number)
    return str(number) if descriptor is None else descriptor.name.removeprefix(_prefix(enum)).lower()
