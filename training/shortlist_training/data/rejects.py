"""Rows that were refused: each with its file, line number, reason and content. Never dropped in silence."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from shortlist_training.errors import InputError


@dataclass(frozen=True, slots=True)
class Reject:
    """One refused row; `line` is where the row ends in its file (1 = the header; row number + 1 for Parquet)."""

    file: str
    line: int
    reason: str
    content: str


@dataclass(slots=True)
class Rejects:
    """The refused rows of one reading, in file order."""

    rows: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, file: str, line: int, reason: str, content: str) -> None:
        """Note one refused row."""
        self.rows.append(Reject(file, line, reason, content))

    def by_reason(self) -> list[tuple[str, str, int, list[int]]]:
        """(file, reason, how many, the first five line numbers), the most frequent first."""
        counts = Counter((row.file, row.reason) for row in self.rows)
        lines: dict[tuple[str, str], list[int]] = {key: [] for key in counts}
        for row in self.rows:
            shown = lines[row.file, row.reason]
            if len(shown) < 5:
                shown.append(row.line)
        return [(*key, count, lines[key]) for key, count in counts.most_common()]

    def write(self, path: Path) -> None:
        """Write all of them as CSV: file, line, reason, content."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerow(("file", "line", "reason", "content"))
                writer.writerows((row.file, row.line, row.reason, row.content) for row in self.rows)
        except OSError as error:
            raise InputError(f"{path}: cannot write the rejected rows there ({error.strerror})") from error
