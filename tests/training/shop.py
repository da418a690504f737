"""A small shop whose answer is known beforehand: each user likes one kind of item, and keeps to it."""

import csv
from pathlib import Path

import numpy as np

DAY = 86_400
START = 1_600_000_000
KINDS = ("lamp", "mug", "garden chair", "paper bag", "toy train")
ITEMS_PER_KIND = 12
HEADER = ("user_id", "item_id", "timestamp")


def item_id(kind: int, number: int) -> str:
    return f"{KINDS[kind].split()[-1]}-{number:02d}"


def shop_events(*, num_users: int = 80, num_days: int = 200, seed: int = 0) -> list[tuple[str, str, int]]:
    """Each user comes about every twelve days and takes one or two items of the kind that is the user's own."""
    generator = np.random.default_rng(seed)
    events = []
    for user in range(num_users):
        kind = user % len(KINDS)
        day = float(generator.uniform(0, 40))
        while day < num_days:
            for number in generator.choice(ITEMS_PER_KIND, size=generator.integers(1, 3), replace=False):
                events.append((f"user-{user}", item_id(kind, int(number)), START + int(day * DAY)))
            day += float(generator.uniform(6, 18))
    return sorted(events, key=lambda event: event[2])


def write_events(directory: Path, events: list[tuple[str, str, int]]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "events.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *events])
    return directory


def write_items(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    colours = ("red", "blue", "green", "white", "black", "pink", "gold", "grey", "brown", "silver", "violet", "cream")
    with (directory / "items.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("item_id", "title", "price", "categories"))
        for kind, name in enumerate(KINDS):
            for number in range(ITEMS_PER_KIND):
                writer.writerow((item_id(kind, number), f"{colours[number]} {name}", 1 + number, f"home|{name}"))
    return directory
