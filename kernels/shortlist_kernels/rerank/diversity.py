"""Re-ranking for diversity: `mmr`, `dpp`."""

from typing import Any, NamedTuple

import numpy as np

from shortlist_kernels import checks, dispatch
from shortlist_kernels.arrays import Float32, Float64, Int64
from shortlist_kernels.rerank.candidates import Candidates, candidates, fractions


class _Call(NamedTuple):
    """The checked arguments."""

    users: Candidates
    vectors_QND: Float32
    k: int
    diversity_Q: Float64
    num_threads: int | None


def mmr(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None = None) -> tuple[Int64, Float64]:
    """Picks k candidates one after the other by maximal marginal relevance (Carbonell and Goldstein 1998).

    Each step takes the largest (1 - diversity) * score - diversity * (largest cosine to those taken, 0 for the first),
    in float64, equal values by smaller position. Scores are used as given; candidates with score -inf are never taken.
    vectors: float32 (n, D) or (Q, n, D). scores: float32, or float64 in its range, (n,) or (Q, n). diversity: within 0
    to 1, one number or one per query. num_threads: how many threads share the queries; None means what pays, within
    the cores of the process. Returns the positions taken, int64 (k,) or (Q, k), padded with -1, and the relevance
    lost, float64 scalar or (Q,): the sum of as many best scores minus the sum of those taken.
    """
    given = _checked(vectors, scores, k, diversity, num_threads)
    scores_QN = given.users.scores_QN
    answer = dispatch.active().mmr(given.vectors_QND, scores_QN, given.k, given.diversity_Q, given.num_threads)
    return given.users.answer(*answer)


def dpp(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None = None) -> tuple[Int64, Float64]:
    """Picks k candidates by greedy MAP inference for a determinantal point process (Chen, Zhang and Zhou 2018).

    Each step raises (1 - diversity) * (sum of scores) + diversity * log det S most, where S holds the cosines of those
    taken, 1 on its diagonal. That is the largest w * v, equal values by smaller position: w is
    exp((1 - diversity) / diversity * (score - largest score)), and v, the residual, 1 minus the squared length of the
    projection of the candidate's vector, made of length 1, on those taken; 1 for a vector of zeros.

    A candidate with v <= 1e-10 is a combination of those taken and gains nothing, nor does one whose w underflows. Once
    none gains, the best scores left are taken, equal ones by smaller position; with diversity 0 from the start on.
    Scores are used as given: the wider they spread, the more they count. Arguments and results are as for `mmr`.
    """
    given = _checked(vectors, scores, k, diversity, num_threads)
    scores_QN = given.users.scores_QN
    weights_QN = diagonal(scores_QN, given.diversity_Q)
    answer = dispatch.active().dpp(given.vectors_QND, scores_QN, weights_QN, given.k, given.num_threads)
    return given.users.answer(*answer)


def diagonal(scores_QN: Float64, diversity_Q: Float64) -> Float64:
    """The diagonal of the kernel: exp(theta / (1 - theta) * score) in the paper's terms, divided by the largest.

    Here rather than in the backends, because the last bits of exp differ from one library to the next.
    """
    limit = checks.FLOAT64_LIMIT
    below_QN = np.maximum(scores_QN - scores_QN.max(axis=1, keepdims=True, initial=-limit), -limit)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        rates_Q = np.minimum((1.0 - diversity_Q) / diversity_Q, limit)
        weights_QN: Float64 = np.exp(below_QN * rates_Q[:, np.newaxis])
    weights_QN[diversity_Q == 0.0] = 0.0
    return weights_QN


def _checked(vectors: Any, scores: Any, k: int, diversity: Any, num_threads: int | None) -> _Call:
    users = candidates(scores)
    vectors_array = checks.float32s("vectors", vectors, (*users.shape, "D"))
    if num_threads is not None:
        num_threads = checks.whole_number("num_threads", num_threads, minimum=1)
    return _Call(
        users,
        vectors_array if vectors_array.ndim == 3 else vectors_array[np.newaxis],
        checks.whole_number("k", k, minimum=0),
        fractions("diversity", diversity, len(users.scores_QN)),
        num_threads,
    )
