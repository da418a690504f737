"""Values that kernels get wrong: ties, zeros of both signs, denormals, large magnitudes."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

Draw = Callable[[st.DataObject, tuple[int, ...]], NDArray[np.float32]]

PLAIN = st.floats(-4, 4, width=32)
EXTREME = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-40, 1e30, -1e30, 3.0e38, 0.1, 1 / 3])


@pytest.fixture(scope="session")
def draw_float32() -> Draw:
    """Fills a shape with values of a small drawn pool, so that large arrays are cheap and equal values frequent."""

    def draw(data: st.DataObject, shape: tuple[int, ...]) -> NDArray[np.float32]:
        pool = np.array(data.draw(st.lists(PLAIN | EXTREME, min_size=1, max_size=12)), np.float32)
        return np.random.default_rng(data.draw(st.integers(0, 2**32))).choice(pool, shape)

    return draw
