"""What the tests of re-ranking by rules share: drawn users, and every order of a few candidates."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist_kernels import dispatch

EVERY = list(dispatch.available_backends())
COMPILED = [isa for isa in EVERY if isa != "reference"]
Random = np.random.Generator
Answer = tuple[NDArray[np.int64], NDArray[np.float64]]
SEEDS = st.integers(0, 2**32)


def drawn_scores(random: Random, shape: tuple[int, ...], barred: float = 0.15) -> NDArray[np.float64]:
    """Scores with many ties, zeros of both signs among them, and some that bar their candidate."""
    scores = random.integers(-4, 8, shape) / 4.0
    scores[random.random(shape) < 0.1] = -0.0
    scores[random.random(shape) < barred] = -np.inf
    return scores


def drawn_shape(random: Random) -> tuple[tuple[int, int], int]:
    """Users and candidates, and how many are taken: often few of many, so that the best are found apart."""
    most = int(random.choice([5, 45]))
    return (int(random.integers(0, 4)), int(random.integers(0, 40))), int(random.integers(0, most))


def assert_equal_on(isa: str, call: Callable[[], Answer]) -> None:
    """The bits of the reference."""
    with dispatch.using("reference"):
        expected = call()
    with dispatch.using(isa):
        found = call()
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


def assert_alone_as_together(call: Callable[..., Answer], per_user: dict[str, Any], k: int) -> None:
    """Each user gets alone what it gets among others, on any number of threads."""
    together = call(**per_user, k=k)
    for num_threads in (1, 2, 3):
        shared = call(**per_user, k=k, num_threads=num_threads)
        assert [part.tobytes() for part in shared] == [part.tobytes() for part in together]
    for user in range(len(together[1])):
        order, lost = call(**{name: values[user] for name, values in per_user.items()}, k=k)
        assert order.shape == (k,)
        assert lost.shape == ()
        assert (order.tolist(), lost.item()) == (together[0][user].tolist(), together[1][user])


def every_order(scores: NDArray[np.float64], k: int) -> Iterator[tuple[int, ...]]:
    """Every order of k of the candidates that may be taken."""
    allowed = np.flatnonzero(scores != -np.inf).tolist()
    return itertools.permutations(allowed, min(k, len(allowed)))
