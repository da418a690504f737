"""The shapes that pass through a store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shortlist_server.state import EventBatch


def columns(**changes: Any) -> dict[str, Any]:
    sound: dict[str, Any] = {
        "user_ids": ["u"],
        "item_ids": ["i"],
        "types": np.array([1], np.uint8),
        "timestamps": np.array([1], np.int64),
        "values": np.array([1], np.float32),
    }
    return sound | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user_ids": [""]}, r"user_ids\[0\]: '' is not 1 to 128"),
        ({"item_ids": ["é" * 65]}, r"item_ids\[0\]: 'é+' is not 1 to 128"),
        ({"item_ids": ["i", "j"]}, "item_ids: 2 entries for 1 events"),
        ({"types": np.array([1], np.int64)}, r"types: int64 \(1,\) where uint8"),
        ({"timestamps": np.array([1, 2], np.int64)}, r"timestamps: int64 \(2,\) where int64 \(1,\)"),
        ({"values": np.array([[1]], np.float32)}, r"values: float32 \(1, 1\)"),
    ],
)
def test_a_bad_batch_names_the_column_and_the_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EventBatch(**columns(**changes))


def test_an_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        EventBatch(**columns(user_ids=["\ud800"]))
