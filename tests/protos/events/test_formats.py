"""Which files of a directory are its events and items."""

from pathlib import Path

import pytest

from shortlist.events import DataError, find_events, find_items
from shortlist.events.formats import FORMATS


@pytest.mark.parametrize("name", [name for known in FORMATS for name in known.events])
def test_the_events_file_is_found_among_others(tmp_path: Path, name: str) -> None:
    for other in (name, "items.csv", "notes.txt"):
        (tmp_path / other).touch()
    path, known = find_events(tmp_path)
    assert path == tmp_path / name
    assert name in known.events


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no events.csv, events.csv.gz, events.parquet, nor ratings of MovieLens"),
        (("events.csv", "events.csv.gz"), "several events files (events.csv, events.csv.gz); keep one"),
        (("events.csv", "u.data"), "several events files (events.csv, u.data); keep one"),
    ],
)
def test_no_or_several_events_files_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError) as caught:
        find_events(tmp_path)
    assert str(caught.value) == f"{tmp_path}: {message}"


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such directory"):
        find_events(tmp_path / "nowhere")


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: str(known.events[0]))
def test_items_are_looked_for_beside_events_of_their_format(tmp_path: Path, known: object) -> None:
    (chosen,) = [one for one in FORMATS if one is known]
    assert find_items(tmp_path, chosen) is None
    (tmp_path / chosen.items[0]).touch()
    assert find_items(tmp_path, chosen) == tmp_path / chosen.items[0]


def test_several_items_files_are_refused(tmp_path: Path) -> None:
    for name in FORMATS[0].items:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"several items files \(items.csv, items.csv.gz, items.parquet\); keep one"):
        find_items(tmp_path, FORMATS[0])
