"""From the contract's replies to the client's. Pure. Shapes: Q queries, K results."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from shortlist import replies
from shortlist.errors import ShortlistError, from_request_error
from shortlist.v1 import answer_pb2, recommendation_pb2, search_pb2
from shortlist.vocabulary import enum_name


def recommendations(response: recommendation_pb2.RecommendResponse) -> replies.Reply:
    """The reply of `recommend`."""
    return replies.Reply(
        items=_items(response),
        package=_package(response),
        timings_ms=_timings_ms(response),
        degraded=_degraded(response),
        experiments={arm.experiment: arm.arm for arm in response.experiments},
        relevance_lost=response.relevance_lost,
    )


def batch(response: recommendation_pb2.RecommendBatchResponse) -> list[replies.Reply | ShortlistError]:
    """The results of `recommend_batch`; the error of a failed request stands in its place."""
    return [
        recommendations(result.response) if result.HasField("response") else from_request_error(result.error)
        for result in response.results
    ]


def ranking(response: recommendation_pb2.RankResponse) -> replies.Reply:
    """The reply of `rank`."""
    return replies.Reply(
        items=_items(response),
        package=_package(response),
        timings_ms=_timings_ms(response),
        degraded=_degraded(response),
        experiments={arm.experiment: arm.arm for arm in response.experiments},
        relevance_lost=response.relevance_lost,
        item_errors=tuple(
            replies.ItemError(error.item_id, enum_name(answer_pb2.ItemErrorReason, error.reason))
            for error in response.item_errors
        ),
    )


def similar_items(response: recommendation_pb2.SimilarItemsResponse) -> replies.Reply:
    """The reply of `similar_items`."""
    return replies.Reply(
        items=_items(response),
        package=_package(response),
        timings_ms=_timings_ms(response),
        degraded=_degraded(response),
        experiments={},
        relevance_lost=0.0,
    )


def search_results(response: search_pb2.SearchResponse) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """The scores (Q, K) and item ids (Q, K) of `search`; padded with -inf and ""."""
    shape = tuple(response.scores.shape)
    scores_QK = np.frombuffer(response.scores.data, dtype="<f4").reshape(shape).astype(np.float32)  # a copy to write in
    ids_QK = np.array(response.item_ids, dtype=np.str_).reshape(shape)
    return scores_QK, ids_QK


_Response = (
    recommendation_pb2.RecommendResponse | recommendation_pb2.RankResponse | recommendation_pb2.SimilarItemsResponse
)


def _items(response: _Response) -> tuple[replies.RankedItem, ...]:
    return tuple(
        replies.RankedItem(item.item_id, item.score, item.title, _reasons(item.reasons)) for item in response.items
    )


def _reasons(messages: Iterable[answer_pb2.Reason]) -> tuple[replies.Reason, ...]:
    reasons = (_reason(message) for message in messages)
    return tuple(reason for reason in reasons if reason is not None)


def _reason(message: answer_pb2.Reason) -> replies.Reason | None:
    """One reason, or None for a kind that this client does not know."""
    kind = message.WhichOneof("kind")
    if kind == "because_of":
        parts = message.because_of.contributions
        return replies.BecauseOf(
            message.because_of.source,
            tuple(replies.Contribution(part.item_id, part.title, part.contribution) for part in parts),
        )
    if kind == "found_by":
        return replies.FoundBy(message.found_by.source, message.found_by.rank, message.found_by.score)
    if kind == "cold_start":
        return replies.ColdStart(message.cold_start.source, message.cold_start.rank, message.cold_start.score)
    if kind == "score_parts":
        return _score_parts(message.score_parts)
    return None


def _score_parts(parts: answer_pb2.ScoreParts) -> replies.ScoreParts:
    return replies.ScoreParts(
        fused=parts.fused,
        ranker=parts.ranker if parts.HasField("ranker") else None,
        heads=tuple(replies.HeadScore(head.name, head.probability, head.weight) for head in parts.heads),
        boost=parts.boost,
        diversity_penalty=parts.diversity_penalty,
    )


def _package(response: _Response) -> replies.PackageVersion:
    return replies.PackageVersion(response.package.name, response.package.id)


def _timings_ms(response: _Response) -> dict[str, float]:
    return {enum_name(answer_pb2.Stage, timing.stage): timing.duration_us / 1000 for timing in response.timings}


def _degraded(response: _Response) -> tuple[replies.Degradation, ...]:
    return tuple(
        replies.Degradation(
            stage=enum_name(answer_pb2.Stage, entry.stage),
            source=entry.source,
            reason=enum_name(answer_pb2.DegradationReason, entry.reason),
            detail=entry.detail,
        )
        for entry in response.degraded
    )
