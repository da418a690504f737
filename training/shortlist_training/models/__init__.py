"""The model families, a folder each: settings, fit, graph, export with its parity check, and a README.

| module | what it does |
|---|---|
| `family` | what a family is, what a fitted model answers, and what a run gives them |
| `stacking` | later windows with candidates and scores of sources fitted before them: what a ranker learns from |
| `draft` | the package as families write into it |

A family is an object `FAMILY` in the module that FAMILIES names, or that a recipe names by its full path; it is loaded
when a recipe asks for it. Nothing else in this package knows a family by name.
"""

import importlib
from typing import Any

from shortlist_training.errors import InputError

FAMILIES: dict[str, str] = {
    "popular": "shortlist_training.models.popular",
    "item_neighbours": "shortlist_training.models.item_neighbours",
    "two_tower": "shortlist_training.models.two_tower",
    "ranker": "shortlist_training.models.ranker",
}


def find_family(name: str) -> Any:
    """The family of that name, or of the module with that path; InputError where there is none."""
    path = FAMILIES.get(name, name if "." in name else "")
    if not path:
        raise InputError(f"family {name!r} is unknown; there are: {', '.join(FAMILIES)}, or the path of a module")
    try:
        return importlib.import_module(path).FAMILY
    except (ImportError, AttributeError) as error:
        raise InputError(f"family {name!r}: {error}") from error
