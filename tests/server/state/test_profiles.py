"""The rule of profiles: which entries stay, in which order, and how many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shortlist_server.state.profiles import DISLIKE, Entry, merge_entries

VIEW, PURCHASE, RATING = 1, 4, 7
ENTRIES = st.builds(
    Entry,
    st.sampled_from([b"a", b"b", b"c", b"d", b"e"]),
    st.integers(-3, 6),
    st.sampled_from([VIEW, PURCHASE, DISLIKE]),
    st.floats(width=32, allow_nan=False),
)


def entry(item: bytes, timestamp: int, kind: int, value: float = 0.0) -> Entry:
    return Entry(item, timestamp, kind, value)


def test_the_last_interaction_of_an_item_stays() -> None:
    merged = merge_entries([entry(b"a", 1, VIEW), entry(b"b", 2, VIEW)], [entry(b"a", 3, PURCHASE)], 10)
    assert merged == [entry(b"b", 2, VIEW), entry(b"a", 3, PURCHASE)]


def test_an_older_event_that_arrives_late_replaces_nothing() -> None:
    profile = [entry(b"a", 5, PURCHASE)]
    assert merge_entries(profile, [entry(b"a", 4, VIEW)], 10) == profile


def test_at_equal_timestamps_the_later_arrival_is_the_last() -> None:
    merged = merge_entries([entry(b"a", 5, VIEW), entry(b"b", 5, VIEW)], [entry(b"a", 5, PURCHASE)], 10)
    assert merged == [entry(b"b", 5, VIEW), entry(b"a", 5, PURCHASE)]


def test_the_value_is_that_of_the_interaction_that_stays_and_of_no_older_one() -> None:
    rated = [entry(b"a", 1, RATING, 4.5), entry(b"b", 5, RATING, 2.0)]
    new = [entry(b"a", 2, VIEW), entry(b"b", 4, RATING, 3.0), entry(b"b", 6, DISLIKE, 1.0)]
    assert merge_entries(rated, new, 10) == [
        entry(b"a", 2, VIEW, 0.0),
        entry(b"b", 5, RATING, 2.0),
        entry(b"b", 6, DISLIKE, 1.0),
    ]


def test_a_dislike_stands_beside_the_interaction_it_does_not_undo() -> None:
    new = [entry(b"a", 1, PURCHASE), entry(b"a", 2, DISLIKE), entry(b"a", 3, DISLIKE)]
    assert merge_entries([], new, 10) == [entry(b"a", 1, PURCHASE), entry(b"a", 3, DISLIKE)]


def test_the_most_recent_entries_stay_and_not_the_latest_arrivals() -> None:
    profile = [entry(b"a", 10, VIEW), entry(b"b", 20, VIEW)]
    assert merge_entries(profile, [entry(b"c", 5, VIEW), entry(b"d", 15, VIEW)], 2) == [
        entry(b"d", 15, VIEW),
        entry(b"b", 20, VIEW),
    ]


def stays(events: list[Entry], arrival: int) -> bool:
    """The definition: no other event of the same item, a dislike or not like this one, comes after it."""
    this = events[arrival]
    return not any(
        other.item == this.item
        and (other.type == DISLIKE) == (this.type == DISLIKE)
        and (other.timestamp, other_arrival) > (this.timestamp, arrival)
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
    events = [one for part in parts for one in part]
    assert profile == expected(events)
    assert merge_entries([], events, max_entries) == expected(events)[-max_entries:]
