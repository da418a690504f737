"""The exported graphs under onnxruntime, in fixed shapes as in the server: no answer depends on the rest of a batch.

B users, L history positions, C candidates, S sources, D dimensions.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# onnxruntime reads it once, when it is imported; without it, it collects usage data.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

_TOWER_ROWS = 16


class OnnxUserTower:
    """history.items (B, L) to user vectors (B, D), in chunks of a fixed number of rows."""

    def __init__(self, path: Path) -> None:
        self._session = _session(path)

    def __call__(self, history_items_BL: NDArray[np.int64]) -> NDArray[np.float32]:
        """Encode any number of users."""
        missing = -len(history_items_BL) % _TOWER_ROWS
        padded = np.pad(history_items_BL, ((0, missing), (0, 0)))
        chunks = [
            self._session.run(None, {"history_items": padded[start : start + _TOWER_ROWS]})[0]
            for start in range(0, len(padded), _TOWER_ROWS)
        ]
        vectors_BD: NDArray[np.float32] = np.concatenate(chunks)[: len(history_items_BL)]
        return vectors_BD


class OnnxRanker:
    """Value of each candidate, one user at a time with all of its candidates."""

    def __init__(self, path: Path, head_weights: list[float]) -> None:
        self._session = _session(path)
        self._head_weights = np.array(head_weights, dtype=np.float32)

    def __call__(
        self,
        history_items_BL: NDArray[np.int64],
        recency_days_BL: NDArray[np.float32],
        candidate_items_BC: NDArray[np.int64],
        scores_BCS: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Sum over the heads of weight x probability, (B, C)."""
        values = np.empty(candidate_items_BC.shape, dtype=np.float32)
        for user in range(len(values)):
            one = slice(user, user + 1)
            inputs = {
                "history_items": history_items_BL[one],
                "history_recency_days": recency_days_BL[one],
                "candidate_items": candidate_items_BC[one],
                "retrieval_scores": scores_BCS[one],
            }
            values[one] = self._session.run(None, inputs)[0] @ self._head_weights
        return values


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
