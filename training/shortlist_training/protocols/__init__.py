"""How data is split, as objects: what may be learned from, and the users to whom the result is shown.

| module | what it does |
|---|---|
| `protocol` | what a protocol yields: splits to choose, calibrate, stack and judge on, and the data of the package |
| `global_time` | one cut in time for all users |
"""

from collections.abc import Callable

from shortlist_training.errors import InputError
from shortlist_training.protocols.global_time import GlobalTime
from shortlist_training.protocols.protocol import Protocol

PROTOCOLS: dict[str, Callable[[], Protocol]] = {"global_time": GlobalTime}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name with its defaults; InputError lists the names where there is none."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is unknown; there are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]()
