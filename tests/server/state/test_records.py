"""The bytes of profile records: what is packed is read back, and what is not a record of this version is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shortlist.vocabulary import MAX_ID_BYTES
from shortlist_server.errors import DamagedRecordError
from shortlist_server.state.profiles import Entry
from shortlist_server.state.records import num_arrivals, pack_profile, read_entries, read_profile

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=32).map(str.encode)
ENTRIES = st.builds(
    Entry,
    IDS,
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 255),
    st.floats(width=32, allow_nan=False),
)


@given(entries=st.lists(ENTRIES, min_size=1, max_size=20), arrivals=st.integers(0, 2**64 - 1))
def test_what_is_packed_is_read_back_column_by_column(entries: list[Entry], arrivals: int) -> None:
    record = pack_profile(entries, arrivals)
    profile = read_profile(record)
    assert read_entries(record) == entries
    assert num_arrivals(record) == arrivals
    assert [item_id.encode() for item_id in profile.item_ids] == [entry.item for entry in entries]
    assert profile.timestamps.tolist() == [entry.timestamp for entry in entries]
    assert profile.types.tolist() == [entry.type for entry in entries]
    assert profile.values.tolist() == [entry.value for entry in entries]
    columns: list[NDArray[Any]] = [profile.timestamps, profile.types, profile.values]
    assert [column.dtype for column in columns] == [np.int64, np.uint8, np.float32]


@pytest.mark.parametrize("num_entries", [1, 2, 3, 10_000])
def test_a_record_takes_16_bytes_and_at_most_142_an_entry(num_entries: int) -> None:
    entries = [Entry(b"x" * MAX_ID_BYTES, 2**62, 7, 4.5)] * num_entries
    assert len(pack_profile(entries, 2**60)) == 16 + 142 * num_entries - 1


@given(entries=st.lists(ENTRIES, min_size=1, max_size=5), data=st.data())
def test_a_record_that_lost_its_end_is_refused_or_lacks_only_the_end_of_the_last_id(
    entries: list[Entry], data: st.DataObject
) -> None:
    record = pack_profile(entries, 1)
    cut = record[: data.draw(st.integers(0, len(record) - 1))]
    try:
        read = read_entries(cut)
    except DamagedRecordError:
        return
    assert read[:-1] == entries[:-1]
    assert read[-1][1:] == entries[-1][1:]
    assert entries[-1].item.startswith(read[-1].item)


def test_a_record_of_version_1_which_had_no_values_is_refused_by_its_version() -> None:
    old = struct.pack("<BxxxIQ", 1, 2, 2) + struct.pack("<qqBB", 10, 20, 1, 4) + b"a\xffb"
    for read in (read_profile, read_entries, num_arrivals):
        with pytest.raises(DamagedRecordError, match="profile record of version 1, this server reads 2"):
            read(old)


def test_an_id_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(DamagedRecordError, match="not UTF-8"):
        read_profile(pack_profile([Entry(b"\xc3", 1, 1, 0.0)], 1))
