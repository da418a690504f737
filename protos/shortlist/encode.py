"""From the client's arguments to the contract's messages. Pure; ValueError names what cannot be encoded.

Shapes: Q queries, D dimensions.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from numpy.typing import ArrayLike, NDArray

from shortlist.options import (
    Boost,
    Diversity,
    Event,
    Exposure,
    Filters,
    Freshness,
    HistoryItem,
    RankOptions,
    RecommendOptions,
)
from shortlist.v1 import answer_pb2, event_pb2, filter_pb2, history_pb2, recommendation_pb2, search_pb2, tensor_pb2
from shortlist.v1.recommendation_pb2 import RankRequest, RecommendRequest
from shortlist.vocabulary import (
    AVAILABILITIES,
    DIVERSITY_METHODS,
    EVENT_TYPES,
    FUSION_METHODS,
    LEVELS,
    MAX_EVENTS_PER_MESSAGE,
    NORMALISATIONS,
    SEEN_POLICIES,
)

_MessageT = TypeVar("_MessageT", bound=Message)


def recommend_request(options: RecommendOptions) -> RecommendRequest:
    """The request of `recommend`. Raises TypeError for an unknown keyword."""
    fields = _shared_fields(options, RecommendOptions)
    fields["k"] = options.get("k")
    fields["num_candidates"] = options.get("num_candidates")
    fields["filters"] = filters(options.get("filters"))
    fields["sources"] = _sources(options.get("sources"))
    fields["fusion"] = _fusion(options.get("fusion"), options.get("normalisation"))
    fields["caps"] = [
        _message(recommendation_pb2.AttributeCap, attribute=attribute, max_items=max_items)
        for attribute, max_items in (options.get("caps") or {}).items()
    ]
    fields["exposure_constraints"] = [_exposure(exposure) for exposure in options.get("exposure") or ()]
    return _message(RecommendRequest, **fields)


def rank_request(item_ids: Sequence[str], options: RankOptions) -> RankRequest:
    """The request of `rank`. Raises TypeError for an unknown keyword."""
    return _message(RankRequest, item_ids=_texts("item_ids", item_ids), **_shared_fields(options, RankOptions))


def similar_items_request(
    item_id: str, k: int | None, filter_rules: Filters | None, source: str
) -> recommendation_pb2.SimilarItemsRequest:
    """The request of `similar_items`."""
    return _message(
        recommendation_pb2.SimilarItemsRequest, item_id=item_id, k=k, filters=filters(filter_rules), source=source
    )


def search_request(
    vectors: ArrayLike, k: int, space: str, allow: Sequence[str], exclude: Sequence[str]
) -> search_pb2.SearchRequest:
    """The request of `search`."""
    vectors_QD = float32_matrix(vectors)
    queries = tensor_pb2.Tensor(
        data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=vectors_QD.shape, data=vectors_QD.tobytes()
    )
    return _message(
        search_pb2.SearchRequest,
        space=space,
        queries=queries,
        k=k,
        allow_item_ids=_texts("allow", allow),
        exclude_item_ids=_texts("exclude", exclude),
    )


def record_events_requests(events: Iterable[Event]) -> Iterator[event_pb2.RecordEventsRequest]:
    """The messages that carry these events, 10,000 in each; read as they are needed."""
    iterator = iter(events)
    while chunk := list(itertools.islice(iterator, MAX_EVENTS_PER_MESSAGE)):
        yield event_pb2.RecordEventsRequest(events=[_event(event) for event in chunk])


def float32_matrix(vectors: ArrayLike) -> NDArray[np.float32]:
    """The vectors as little-endian float32 (Q, D); one vector counts as one query."""
    try:
        array = np.asarray(vectors)
    except ValueError:
        raise ValueError("vectors: rows of different lengths are no matrix") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"vectors: numbers of type {array.dtype} cannot be sent as float32")
    if array.ndim not in {1, 2}:
        raise ValueError(f"vectors: shape {array.shape} is neither (D,) nor (Q, D)")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(np.atleast_2d(array), dtype="<f4")


def history(items: Sequence[str] | Sequence[HistoryItem] | None) -> history_pb2.History | None:
    """A history as columns: ids alone, or ids with timestamps, types and values (left out where all are 0)."""
    if items is None:
        return None
    if isinstance(items, str):
        raise ValueError(f"history: {items!r} is one text, not a sequence of items")
    detailed = [item for item in items if isinstance(item, HistoryItem)]
    if len(detailed) == len(items):
        return _message(
            history_pb2.History,
            item_ids=[item.item_id for item in detailed],
            timestamps=[item.timestamp for item in detailed],
            types=[number("history.type", item.type, EVENT_TYPES) for item in detailed],
            values=[item.value for item in detailed] if any(item.value for item in detailed) else (),
        )
    if detailed:
        raise ValueError("history: item ids and HistoryItems cannot be mixed")
    return _message(history_pb2.History, item_ids=list(items))


def filters(rules: Filters | None) -> filter_pb2.Filters | None:
    """The filters of a request."""
    if rules is None:
        return None
    return _message(
        filter_pb2.Filters,
        allow_item_ids=_texts("filters.allow", rules.allow),
        deny_item_ids=_texts("filters.deny", rules.deny),
        categories_any=_texts("filters.categories_any", rules.categories_any),
        categories_all=_texts("filters.categories_all", rules.categories_all),
        categories_none=_texts("filters.categories_none", rules.categories_none),
        ranges=[_range(attribute, *_ends(attribute, ends)) for attribute, ends in rules.ranges.items()],
        availability=number("filters.availability", rules.availability, AVAILABILITIES),
        seen_policy=number("filters.seen", rules.seen, SEEN_POLICIES),
    )


def number(name: str, text: str, numbers: Mapping[str, int]) -> int:
    """The number of an enum value from its name. Raises ValueError when there is none."""
    if text not in numbers:
        raise ValueError(f"{name}: {text!r} is not one of {', '.join(numbers)}")
    return numbers[text]


def _shared_fields(
    options: RankOptions | RecommendOptions, known: type[RankOptions | RecommendOptions]
) -> dict[str, Any]:
    unknown = options.keys() - known.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown argument {', '.join(sorted(unknown))}")
    experiments, head_weights = options.get("experiments") or {}, options.get("head_weights") or {}
    return {
        "user_id": options.get("user_id"),
        "history": history(options.get("history")),
        "context": _context(options.get("timestamp"), options.get("context") or {}),
        "boosts": [_boost(boost) for boost in options.get("boosts") or ()],
        "head_weights": [
            _message(recommendation_pb2.HeadWeight, name=name, weight=weight) for name, weight in head_weights.items()
        ],
        "diversity": _diversity(options.get("diversity")),
        "calibration": _calibration(options.get("calibration")),
        "freshness": _freshness(options.get("freshness")),
        "explanation_level": number("explain", options.get("explain", "brief"), LEVELS),
        "experiment_overrides": [
            _message(answer_pb2.ExperimentArm, experiment=experiment, arm=arm)
            for experiment, arm in experiments.items()
        ],
    }


def _context(timestamp: int | None, features: Mapping[str, float | str]) -> recommendation_pb2.Context | None:
    if timestamp is None and not features:
        return None
    values = [
        _message(
            recommendation_pb2.ContextFeature, name=name, **{"text" if isinstance(value, str) else "number": value}
        )
        for name, value in features.items()
    ]
    return _message(recommendation_pb2.Context, timestamp=timestamp, features=values)


def _boost(boost: Boost) -> filter_pb2.Boost:
    targets = {"item_id": boost.item_id, "category": boost.category, "attribute": boost.attribute}
    given = {name: target for name, target in targets.items() if target is not None}
    if len(given) != 1:
        raise ValueError(f"boosts: {boost!r} must name exactly one of item_id, category, attribute")
    if boost.attribute is not None:
        return _message(
            filter_pb2.Boost, range=_range(boost.attribute, boost.minimum, boost.maximum), amount=boost.amount
        )
    return _message(filter_pb2.Boost, amount=boost.amount, **given)


def _ends(attribute: str, ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    try:
        minimum, maximum = ends
    except (TypeError, ValueError):
        raise ValueError(f"filters.ranges[{attribute!r}]: {ends!r} is not (minimum, maximum)") from None
    return minimum, maximum


def _range(attribute: str, minimum: float | None, maximum: float | None) -> filter_pb2.NumericRange:
    return _message(filter_pb2.NumericRange, attribute=attribute, minimum=minimum, maximum=maximum)


def _sources(sources: Sequence[str] | Mapping[str, float] | None) -> list[recommendation_pb2.SourceWeight]:
    if isinstance(sources, Mapping):
        return [_message(recommendation_pb2.SourceWeight, name=name, weight=weight) for name, weight in sources.items()]
    return [_message(recommendation_pb2.SourceWeight, name=name) for name in _texts("sources", sources or ())]


def _fusion(method: str | None, normalisation: str | None) -> recommendation_pb2.Fusion | None:
    if method is None and normalisation is None:
        return None
    return _message(
        recommendation_pb2.Fusion,
        method=None if method is None else number("fusion", method, FUSION_METHODS),
        normalisation=None if normalisation is None else number("normalisation", normalisation, NORMALISATIONS),
    )


def _diversity(diversity: float | Diversity | None) -> recommendation_pb2.Diversity | None:
    if diversity is None:
        return None
    wanted = diversity if isinstance(diversity, Diversity) else Diversity(diversity)
    method = number("diversity.method", wanted.method, DIVERSITY_METHODS)
    return _message(recommendation_pb2.Diversity, method=method, strength=wanted.strength)


def _calibration(strength: float | None) -> recommendation_pb2.Calibration | None:
    return None if strength is None else _message(recommendation_pb2.Calibration, strength=strength)


def _freshness(freshness: Freshness | None) -> recommendation_pb2.Freshness | None:
    if freshness is None:
        return None
    return _message(
        recommendation_pb2.Freshness,
        attribute=freshness.attribute,
        half_life_days=freshness.half_life_days,
        weight=freshness.weight,
    )


def _exposure(exposure: Exposure) -> recommendation_pb2.ExposureConstraint:
    return _message(
        recommendation_pb2.ExposureConstraint,
        category=exposure.category,
        min_share=exposure.min_share,
        max_share=exposure.max_share,
    )


def _event(event: Event) -> event_pb2.Event:
    return _message(
        event_pb2.Event,
        user_id=event.user_id,
        item_id=event.item_id,
        type=number("type", event.type, EVENT_TYPES),
        timestamp=event.timestamp,
        value=event.value,
    )


def _texts(name: str, texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):  # a text is a sequence of texts too: its characters
        raise ValueError(f"{name}: {texts!r} is one text, not a sequence of texts")
    return list(texts)


def _message(message_type: type[_MessageT], **fields: Any) -> _MessageT:
    """A message of these fields. protobuf does not say which value it refused, so this does."""
    try:
        return message_type(**fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            try:
                message_type(**{name: value})
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: {value!r} cannot be sent: {error}") from None
        raise
