"""Made-up inputs for a model, and the check that its rows do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist_server.inference.spec import ModelSpec

Array = NDArray[Any]


def probe_inputs(spec: ModelSpec, num_rows: int, num_items: int, num_candidates: int) -> dict[str, Array]:
    """Inputs of `num_rows` rows that all differ: item numbers in 1..num_items, histories of every length, floats in
    [0, 1); axes that the spec leaves open, but for the batch, get `num_candidates`.
    """
    random = np.random.default_rng(0)
    inputs: dict[str, Array] = {}
    for tensor in spec.inputs:
        shape = (num_rows, *(axis if isinstance(axis, int) else num_candidates for axis in tensor.shape[1:]))
        if tensor.dtype == "int64":
            numbers = random.integers(1, num_items, shape, dtype=np.int64, endpoint=True)
            if tensor.feature == "history.items":
                _shorten_histories(numbers)
            inputs[tensor.name] = numbers
        else:
            inputs[tensor.name] = random.random(shape, dtype=np.float32)
    return inputs


def _shorten_histories(items_RL: NDArray[np.int64]) -> None:
    num_rows, length = items_RL.shape
    for row in range(num_rows):
        items_RL[row, : length - 1 - row % length] = 0


def first_disturbed_output(
    run: Callable[[Mapping[str, Array]], dict[str, Array]], inputs: dict[str, Array]
) -> str | None:
    """The name of an output in which some row changes when the rows are rotated or a row is alone; None if none."""
    num_rows = next(iter(inputs.values())).shape[0]
    together = run(inputs)
    for shift in range(1, num_rows):
        rotated = run({name: np.roll(array, shift, axis=0) for name, array in inputs.items()})
        for name, output in rotated.items():
            if np.roll(output, -shift, axis=0).tobytes() != together[name].tobytes():
                return name
    for row in range(num_rows):
        alone = run({name: array[row : row + 1] for name, array in inputs.items()})
        for name, output in alone.items():
            if output.tobytes() != together[name][row : row + 1].tobytes():
                return name
    return None
