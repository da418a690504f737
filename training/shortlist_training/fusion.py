"""The weights with which the lists of any number of sources become one.

S sources.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from shortlist_training.data.queries import Task
from shortlist_training.evaluation.metrics import user_ndcg
from shortlist_training.funnel import Funnel
from shortlist_training.sources.kinds import Retrieved

FALLBACK_SHARE: Final = 0.05
"""What the source that answers a user without history keeps at least: with 0 nothing would be left for such a user."""
_SHARES: Final = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)
"""Of one source against all others; finer steps move the NDCG of a thousand users by less than their draw does."""
_LEAST_GAIN: Final = 1e-3
"""Of a step, in NDCG. The difference between two weightings scatters by so much over the draw of 2,000 users: a smaller
gain is no reason to leave the weights that are nearer to even ones."""
_MAX_ROUNDS: Final = 4


class Fusable(NamedTuple):
    """The funnel of one moment, what its sources retrieved for the users of a task, and the task."""

    funnel: Funnel
    lists: Mapping[str, Retrieved]
    task: Task


def choose_weights(stages: Sequence[Fusable], cutoff: int) -> tuple[float, ...]:
    """The weights of the sources, which sum to 1, with the best NDCG, the mean over the users of all stages.

    Coordinate ascent over the simplex: from even weights, one source after the other gets the share that serves best,
    the others keeping their proportions, until a round gains nothing. A source that retrieves nothing gets 0. The
    stages have the same sources.
    """
    funnel = stages[0].funnel
    num_active = sum(source.retrieves for source in funnel.sources.values())
    shares = (1 / num_active,) * num_active
    reached = _quality(stages, _weights(funnel, shares), cutoff)
    for _ in range(_MAX_ROUNDS if num_active > 1 else 0):
        before = reached
        for place in range(num_active):
            moves = [_moved(shares, place, share) for share in _SHARES]
            found = [_quality(stages, _weights(funnel, moved), cutoff) for moved in moves]
            best = int(np.argmax(found))
            if found[best] > reached + _LEAST_GAIN:
                reached, shares = found[best], moves[best]
        if reached == before:
            break
    return _weights(funnel, shares)


def _quality(stages: Sequence[Fusable], weights: Sequence[float], cutoff: int) -> float:
    found = [user_ndcg(stage.funnel.fuse(stage.lists, weights), stage.task.targets, cutoff) for stage in stages]
    return float(np.concatenate(found).mean())


def _weights(funnel: Funnel, shares: Sequence[float]) -> tuple[float, ...]:
    """The weight of every source, by the shares of those that retrieve; the fallback keeps its part among several."""
    of_active = iter(shares)
    kept = FALLBACK_SHARE if funnel.fallback and len(shares) > 1 else 0.0
    weights = [
        (next(of_active) * (1 - kept) if source.retrieves else 0.0) + (kept if name == funnel.fallback else 0.0)
        for name, source in funnel.sources.items()
    ]
    return tuple(round(weight, 6) for weight in weights)


def _moved(shares: tuple[float, ...], place: int, share: float) -> tuple[float, ...]:
    """One source at `share`, the others in their proportions; even ones where they had nothing."""
    rest = 1 - shares[place]
    others = [value / rest if rest > 0 else 1 / (len(shares) - 1) for value in shares]
    return tuple(share if at == place else value * (1 - share) for at, value in enumerate(others))
