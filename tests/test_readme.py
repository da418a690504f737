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


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == [".venv/bin/shortlist"] and text in words]


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


def test_the_serve_command_serves_the_demo(demo: DemoRun) -> None:
    [words] = commands("serve")
    here = {"build/demo/package": str(demo.package), "build/demo/state": str(demo.directory / "state"), "8500": "0"}
    with server([here.get(word, word) for word in words], demo.directory / "readme-server.log") as target:
        finished = run_shortlist(*[word.replace(SERVED_TARGET, target) for word in commands("recommend")[0]])
    assert finished.returncode == 0, finished.stderr


def test_the_own_data_commands_train_a_package(tmp_path: Path, own_shop: Path) -> None:
    here = {"my-shop": str(own_shop), "build/my-shop": str(tmp_path / "package")}
    ran = [run_shortlist(*[here.get(word, word) for word in words], cwd=tmp_path) for words in own_data_commands()]
    assert [finished.returncode for finished in ran] == [0] * 4, [finished.stderr for finished in ran]
    assert (tmp_path / "package" / "manifest.json").is_file()


def own_data_commands() -> list[list[str]]:
    return [words for text in ("check", "train", "evaluate", "verify") for words in commands(text)]


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
