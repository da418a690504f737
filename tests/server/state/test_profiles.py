"""The rule of profiles: which entries stay, in which order, and how many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shortlist_server.state.profiles import DISLIKE, Entry, merge_entries

VIEW, PURCHASE = 1, 4
ENTRIES = st.builds(
    Entry,
    st.sampled_from([b"a", b"b", b"c", b"d", b"e"]),
    st.integers(-3, 6),
    st.sampled_from([VIEW, PURCHASE, DISLIKE]),
)


def test_the_last_interaction_of_an_item_stays() -> None:
    merged = merge_entries([Entry(b"a", 1, VIEW), Entry(b"b", 2, VIEW)], [Entry(b"a", 3, PURCHASE)], 10)
    assert merged == [Entry(b"b", 2, VIEW), Entry(b"a", 3, PURCHASE)]


def test_an_older_event_that_arrives_late_replaces_nothing() -> None:
    profile = [Entry(b"a", 5, PURCHASE)]
    assert merge_entries(profile, [Entry(b"a", 4, VIEW)], 10) == profile


def test_at_equal_timestamps_the_later_arrival_is_the_last() -> None:
    merged = merge_entries([Entry(b"a", 5, VIEW), Entry(b"b", 5, VIEW)], [Entry(b"a", 5, PURCHASE)], 10)
    assert merged == [Entry(b"b", 5, VIEW), Entry(b"a", 5, PURCHASE)]


def test_a_dislike_stands_beside_the_interaction_it_does_not_undo() -> None:
    new = [Entry(b"a", 1, PURCHASE), Entry(b"a", 2, DISLIKE), Entry(b"a", 3, DISLIKE)]
    assert merge_entries([], new, 10) == [Entry(b"a", 1, PURCHASE), Entry(b"a", 3, DISLIKE)]


def test_the_most_recent_entries_stay_and_not_the_latest_arrivals() -> None:
    profile = [Entry(b"a", 10, VIEW), Entry(b"b", 20, VIEW)]
    assert merge_entries(profile, [Entry(b"c", 5, VIEW), Entry(b"d", 15, VIEW)], 2) == [
        Entry(b"d", 15, VIEW),
        Entry(b"b", 20, VIEW),
    ]


def stays(events: list[Entry], arrival: int) -> bool:
    """The definition: no other event of the same item, a dislike or not like this one, comes after it."""
    entry = events[arrival]
    return not any(
        other.item == entry.item
        and (other.type == DISLIKE) == (entry.type == DISLIKE)
        and (other.timestamp, other_arrival) > (entry.timestamp, arrival)
        for other_arrival, other in enumerate(events)
    )


def expected(events: list[Entry]) -> list[Entry]:
    kept = [(events[arrival].timestamp, arrival) for arrival in range(len(events)) if stays(events, arrival)]
    return [events[arrival] for _, arrival in sorted(kept)]


@given(parts=st.lists(st.lists(ENTRIES, max_size=12), max_size=4), max_entries=st.integers(1, 12))
def test_the_profile_is_that_of_the_definition_however_the_events_are_split(
    parts: list[list[Entry]], max_entries: int
) -> None:
    profile: list[Entry] = []
    for part in parts:
        profile = list(merge_entries(profile, part, 100))
    events = [entry for part in parts for entry in part]
    assert profile == expected(events)
    assert merge_entries([], events, max_entries) == expected(events)[-max_entries:]
