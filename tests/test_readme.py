"""The README's code blocks, run as they stand; only ports and directories are those of the test."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shortlist.cli.demo import server
from tests.demo_run import DemoRun, run_shortlist

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SERVED_TARGET = "localhost:8500"
PORTS = {"demo": 8500, "my-shop": 8501}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(name: str, data: str) -> list[list[str]]:
    """The `shortlist NAME` commands about the demo or about my-shop, without the program."""
    found = [block for block in blocks("bash") if data in block or f":{PORTS[data]}" in block]
    lines = [shlex.split(line, comments=True) for block in found for line in block.splitlines()]
    return [words[1:] for words in lines if words[:2] == [".venv/bin/shortlist", name]]


@pytest.mark.parametrize("position", range(len(blocks("python"))))
def test_python_blocks_run_against_the_demo(position: int, demo_server: str) -> None:
    code = blocks("python")[position]
    assert SERVED_TARGET in code
    finished = subprocess.run(
        [sys.executable, "-c", code.replace(SERVED_TARGET, demo_server)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip()
    assert not finished.stderr


def run_here(words: list[str], here: dict[str, str], cwd: Path) -> str:
    """Run a command with the README's names replaced by those of the test; gives what it printed."""
    finished = run_shortlist(*[here.get(word, word) for word in words], cwd=cwd)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_demo_is_served_and_asked_as_the_readme_says(demo: DemoRun, tmp_path: Path) -> None:
    [words] = commands("serve", "demo")
    here = {"build/demo/package": str(demo.package), "build/demo/state": str(demo.directory / "state"), "8500": "0"}
    with server([here.get(word, word) for word in words], demo.directory / "readme-server.log") as target:
        [ask] = commands("recommend", "demo")
        assert "because of" in run_here(ask, {SERVED_TARGET: target}, tmp_path)


def test_a_shop_of_ones_own_is_trained_and_served_as_the_readme_says(tmp_path: Path, own_shop: Path) -> None:
    here = {"my-shop": str(own_shop), "build/my-shop": str(tmp_path / "package"), "SOMEBODY": "u0"}
    here |= {"build/my-shop-state": str(tmp_path / "state"), "8501": "0"}
    for name in ("data", "train", "evaluate", "package"):
        [words] = commands(name, "my-shop")
        run_here(words, here, tmp_path)
    [words] = commands("serve", "my-shop")
    with server([here.get(word, word) for word in words], tmp_path / "server.log") as target:
        here["localhost:8501"] = target
        [words], [ask] = commands("events", "my-shop"), commands("recommend", "my-shop")
        assert "960 events sent, 960 of them new" in run_here(words, here, tmp_path)
        assert "because of tea thing" in run_here(ask, here, tmp_path)


@pytest.fixture
def own_shop(tmp_path: Path) -> Path:
    """A shop of 40 items in four departments; each customer buys in one of them, over a year."""
    shop = tmp_path / "my-shop"
    shop.mkdir()
    departments = ("tea", "wool", "garden", "paper")
    titles = [f"{department} thing {number}" for department in departments for number in range(10)]
    items = "".join(f"i{row:02},{title},{row / 10 + 1}\n" for row, title in enumerate(titles))
    (shop / "items.csv").write_text("item_id,title,price\n" + items)
    events = "".join(
        f"u{user},i{user % 4 * 10 + (user + step * 3) % 10:02},{1_300_000_000 + step * 3_000_000 + user * 1_000}\n"
        for user in range(120)
        for step in range(8)
    )
    (shop / "events.csv").write_text("user_id,item_id,timestamp\n" + events)
    return shop
