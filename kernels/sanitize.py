"""Runs the kernel tests against C code built with AddressSanitizer and UndefinedBehaviorSanitizer.

    python kernels/sanitize.py [pytest arguments]

The sanitized package goes to build/sanitize and is used by this run only.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "sanitize"
PREFIX = BUILD / "root"
CMAKE = Path(sys.executable).with_name("cmake")
COMPILER = os.environ.get("CC", "cc")

# An editable install redirects imports to its own build: it has to step aside.
RUN_TESTS = """
import sys
import pytest
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
sys.path.insert(0, {prefix!r})
from shortlist_kernels.cpu import _cpu
assert _cpu.__file__.startswith({prefix!r}), _cpu.__file__
sys.exit(pytest.main(["--capture=sys", *{arguments!r}]))  # a report of a sanitizer must not be captured
"""


def build() -> None:
    """Builds the module with sanitizers beside a copy of the Python files."""
    options = ["-DSHORTLIST_SANITIZE=address,undefined", "-DSHORTLIST_WERROR=ON"]
    configure: list[str | Path] = [
        CMAKE,
        "-S",
        ROOT / "kernels",
        "-B",
        BUILD,
        f"-DPython_EXECUTABLE={sys.executable}",
        *options,
    ]
    shutil.rmtree(PREFIX, ignore_errors=True)
    shutil.copytree(
        ROOT / "kernels" / "shortlist_kernels",
        PREFIX / "shortlist_kernels",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CMAKE, "--build", BUILD], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CMAKE, "--install", BUILD, "--prefix", PREFIX], check=True, stdout=subprocess.DEVNULL)


def runtime(name: str) -> str:
    """The path of a library of the compiler."""
    found = subprocess.run([COMPILER, f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def test(arguments: list[str]) -> int:
    """Runs pytest with the sanitizer's runtime loaded first, as it demands; Python itself is not checked for leaks."""
    code = RUN_TESTS.format(prefix=str(PREFIX), arguments=arguments)
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join([runtime("libasan.so"), runtime("libstdc++.so.6")]),
        "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    build()
    sys.exit(test(sys.argv[1:] or ["-q", "tests/kernels"]))
