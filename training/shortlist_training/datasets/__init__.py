"""Built-in data sets: a folder each, with events, items, dataset.json (name, licence) and ATTRIBUTION.md.

The command `shortlist data copy NAME DIR` writes one where `shortlist train --data DIR` reads it.
"""

import shutil
from pathlib import Path

from shortlist_training.data.description import Description, read_description
from shortlist_training.errors import InputError

_ROOT = Path(__file__).parent


def built_in() -> dict[str, Description]:
    """The built-in data sets, by name."""
    return {folder.name.replace("_", "-"): read_description(folder) for folder in _folders()}


def copy(name: str, directory: Path) -> list[Path]:
    """Copy a built-in data set into `directory` (made if needed) and return the files written.

    Raises:
        InputError: the name is unknown (the names are listed), or the directory cannot be written.
    """
    sources = {folder.name.replace("_", "-"): folder for folder in _folders()}
    if name not in sources:
        raise InputError(f"data set {name!r} is not built in; there are: {', '.join(sources)}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        files = sorted(path for path in sources[name].iterdir() if path.is_file())
        return [Path(shutil.copy(path, directory / path.name)) for path in files]
    except OSError as error:
        raise InputError(f"{directory}: cannot copy the data set there ({error.strerror})") from error


def _folders() -> list[Path]:
    return sorted(path for path in _ROOT.iterdir() if (path / "dataset.json").is_file())
