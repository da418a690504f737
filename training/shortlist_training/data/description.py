"""The optional `dataset.json` of a data directory: what the data is and on which terms it may be used."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from shortlist_training.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """Name, licence and attribution of a data set; they travel into the model package."""

    name: str
    description: str = ""
    licence: str = "unstated"
    attribution: str = ""


def read_description(directory: Path) -> Description:
    """Read `directory/dataset.json`; without one, the directory's name and an unstated licence."""
    path = directory / "dataset.json"
    if not path.is_file():
        return Description(name=directory.resolve().name or "data")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    known = {field.name for field in fields(Description)}
    if not isinstance(content, dict) or not isinstance(content.get("name"), str) or not content["name"]:
        raise InputError(f"{path}: must be an object with a text field 'name'")
    for key, value in content.items():
        if key in known and not isinstance(value, str):
            raise InputError(f"{path}: field {key!r} must be text, not {value!r}")
    return Description(**{key: value for key, value in content.items() if key in known})
