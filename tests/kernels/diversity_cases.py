"""What the tests of re-ranking for diversity share."""

from typing import Any

from numpy.typing import NDArray

from shortlist_kernels import dispatch

EVERY = list(dispatch.available_backends())
COMPILED = [isa for isa in EVERY if isa != "reference"]


def assert_same_as_reference(
    isa: str,
    rule: Any,
    vectors: NDArray[Any],
    scores: NDArray[Any],
    k: int,
    diversity: Any,
    num_threads: int | None = None,
) -> None:
    """Order and relevance lost, bit for bit; `rule` is `rerank.mmr` or `rerank.dpp`."""
    with dispatch.using("reference"):
        expected = rule(vectors, scores, k, diversity)
    with dispatch.using(isa):
        found = rule(vectors, scores, k, diversity, num_threads)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]
