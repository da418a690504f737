"""The check that the rows of a model's batch do not disturb each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def first_disturbed_output(
    run: Callable[[Mapping[str, Array]], Mapping[str, Array]], inputs: Mapping[str, Array]
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
