"""What a trained package must fulfil before it is published. The third gate, parity, is in `onnx_export`.

B users.
"""

import math
from collections.abc import Mapping
from typing import Final

from shortlist_training.data.histories import Lists
from shortlist_training.errors import GateError
from shortlist_training.evaluation.metrics import paired_bootstrap, user_ndcg
from shortlist_training.sources.kinds import Retrieved

LARGEST_CALIBRATION_ERROR: Final = 0.1
"""Of probabilities, in absolute terms. Ten bins of a small window scatter by 0.02; five times that is no accident."""


def check_calibration(error: float) -> None:
    """GateError unless the calibration error is a number of at most LARGEST_CALIBRATION_ERROR."""
    if not (math.isfinite(error) and error <= LARGEST_CALIBRATION_ERROR):
        raise GateError(
            "calibration", f"the expected calibration error is {error:.4f}, over {LARGEST_CALIBRATION_ERROR}"
        )


def check_not_worse(whole: Retrieved, parts: Mapping[str, Retrieved], targets: Lists, cutoff: int, seed: int) -> None:
    """GateError when the whole funnel ranks worse than the best single source, by more than the draw of users explains.

    That is when the 95 % interval of the difference in NDCG, by paired bootstrap, ends below 0: on few users a model
    that is a little worse passes, as nothing can be told of it.
    """
    by_name = {name: user_ndcg(lists, targets, cutoff) for name, lists in parts.items()}
    best = max(by_name, key=lambda name: float(by_name[name].mean()))
    differences_B = user_ndcg(whole, targets, cutoff) - by_name[best]
    low, high = paired_bootstrap(differences_B, seed=seed)
    if high < 0:
        raise GateError(
            "not worse than the best part",
            f"NDCG@{cutoff} of the funnel minus that of {best} is {differences_B.mean():+.4f} on {len(differences_B)} "
            f"users, 95 % interval [{low:+.4f}, {high:+.4f}]",
        )
