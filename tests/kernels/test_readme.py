"""The folder's README: its Python runs as it stands, and the files that it names exist."""

import re
import subprocess
import sys
from pathlib import Path

KERNELS = Path(__file__).parents[2] / "kernels"
README = (KERNELS / "README.md").read_text("utf-8")


def test_the_example_runs_and_searches_what_it_indexed() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    checks = "\nassert ids.shape == (2, 5) and not {0, 1} & set(ids.flat), ids"
    finished = subprocess.run([sys.executable, "-c", code + checks], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("[") == 4


def test_every_file_named_exists() -> None:
    (listing,) = re.findall(r"^```\n(shortlist_kernels/.*?)^```$", README, re.MULTILINE | re.DOTALL)
    named = re.findall(r"\b\w+\.(?:pyx|py|c|h)\b", listing)
    assert len(named) > 20
    missing = [name for name in named if not any(KERNELS.rglob(name))]
    assert not missing
