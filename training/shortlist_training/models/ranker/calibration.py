"""Logits to probabilities, and how far these are off.

B users, C candidates.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from shortlist_training.models.ranker.windows import Window

_LEAST_SLOPE: Final = 0.05  # a slope of 0 or less would turn the order round; so flat a one comes of noise alone


def calibrate(window: Window, logits_BC: NDArray[np.float32], users_B: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept that make sigmoid(slope x logit + intercept) a probability of these users (Platt 1999)."""
    valid_BC = (window.candidates_BC.numpy() > 0) & users_B[:, None]
    logits = torch.from_numpy(logits_BC[valid_BC]).double()
    labels = window.labels_BC[torch.from_numpy(valid_BC)].double()
    # Platt's targets: never quite 0 or 1, so that a window without a single hit still has an answer.
    hits, misses = labels.sum(), (1 - labels).sum()
    soft = torch.where(labels > 0, (hits + 1) / (hits + 2), 1 / (misses + 2))
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> float:
        solver.zero_grad()
        value = functional.binary_cross_entropy_with_logits(parameters[0] * logits + parameters[1], soft)
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    if len(logits):
        solver.step(loss)  # type: ignore[no-untyped-call]
    slope, intercept = parameters.tolist()
    # Such a window says nothing about the scale.
    return (slope, intercept) if slope > _LEAST_SLOPE else (1.0, intercept)


def crossed_error(window: Window, logits_BC: NDArray[np.float32]) -> float:
    """The calibration error that unseen users would meet: each half of the users by what the other half calibrated."""
    half_B = np.arange(len(window)) % 2 == 0
    probabilities, labels = [], []
    for users_B in (half_B, ~half_B):
        valid_BC = (window.candidates_BC.numpy() > 0) & users_B[:, None]
        slope, intercept = calibrate(window, logits_BC, ~users_B)
        probabilities.append(1 / (1 + np.exp(-(slope * logits_BC[valid_BC].astype(np.float64) + intercept))))
        labels.append(window.labels_BC.numpy()[valid_BC].astype(np.float64))
    return calibration_error(np.concatenate(probabilities), np.concatenate(labels))


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.float64], num_bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean |mean probability - share of hits|."""
    order = np.argsort(probabilities, kind="stable")
    bins = [part for part in np.array_split(order, num_bins) if len(part)]
    gaps = [abs(probabilities[part].mean() - labels[part].mean()) * len(part) for part in bins]
    return float(np.sum(gaps) / max(1, len(order)))
