"""The one error of the package format; a module of its own because every other one raises it."""

from pathlib import Path
from typing import Final


class PackageError(ValueError):
    """A model package is not what its manifest says, or cannot be written. The message is one line: file and reason.

    Raised by everything that opens or writes a package, before anything is served or replaced.
    """

    _MAX_CHARACTERS: Final = 500  # a line that a terminal can show, whatever a hostile file put into it

    def __init__(self, file: str, reason: str) -> None:
        line = " ".join(f"{file:.300}: {reason}".split())[: self._MAX_CHARACTERS]
        super().__init__("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line))
        self.file = file

    def at(self, directory: Path) -> str:
        """The message for a person, with the directory of the package in front."""
        return str(self) if self.file == str(directory) else f"{directory}/{self}"
