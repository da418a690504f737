"""Runs the kernel tests against C code built with AddressSanitizer and UndefinedBehaviorSanitizer.

    python kernels/sanitize.py [--emulate] [--plain] [pytest arguments]

--emulate  computes AVX-512 and AMX in C (tests/kernels/emulation), so that their sources run on any x86-64
--plain    without the sanitizers

The package goes to a folder of build/ and is used by this run only.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMULATION = ROOT / "tests" / "kernels" / "emulation"
CMAKE = Path(sys.executable).with_name("cmake")
COMPILER = os.environ.get("CC", "cc")
# The benchmarks run on the source tree, which has no module of its own.
DEFAULT_TESTS = [
    "-q",
    "tests/kernels",
    *(f"--ignore=tests/kernels/test_{name}.py" for name in ("benchmarks", "ranking_benchmark")),
    "--ignore=tests/kernels/cuda",  # no C of ours
]

# An editable install redirects imports to its own build: it has to step aside, in the processes that tests start too.
SITE_CUSTOMIZE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
"""
RUN_TESTS = """
import sys
import pytest
from shortlist_kernels.cpu import _cpu
assert _cpu.__file__.startswith({prefix!r}), _cpu.__file__
sys.exit(pytest.main(["--capture=sys", *{arguments!r}]))  # a report of a sanitizer must not be captured
"""


def build(folder: Path, emulate: bool, plain: bool) -> Path:
    """Builds the module beside a copy of the Python files, and returns the folder to import it from."""
    prefix = folder / "root"
    options = [
        "-DSHORTLIST_WERROR=ON",
        f"-DSHORTLIST_SANITIZE={'' if plain else 'address,undefined'}",
        f"-DSHORTLIST_EMULATION={EMULATION if emulate else ''}",
    ]
    configure: list[str | Path] = [
        CMAKE,
        "-S",
        ROOT / "kernels",
        "-B",
        folder,
        f"-DPython_EXECUTABLE={sys.executable}",
        *options,
    ]
    shutil.rmtree(prefix, ignore_errors=True)
    shutil.copytree(
        ROOT / "kernels" / "shortlist_kernels",
        prefix / "shortlist_kernels",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CMAKE, "--build", folder], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CMAKE, "--install", folder, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    (prefix / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    return prefix


def has_simde() -> bool:
    """Whether the compiler finds the headers that compute AVX-512 in C."""
    include = ["-include", "simde/x86/avx512.h"]
    return (
        subprocess.run([COMPILER, "-E", *include, "-xc", os.devnull], capture_output=True, check=False).returncode == 0
    )


def runtime(name: str) -> str:
    """The path of a library of the compiler."""
    found = subprocess.run([COMPILER, f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def test(prefix: Path, plain: bool, arguments: list[str]) -> int:
    """Runs pytest with the sanitizer's runtime loaded first, as it demands; Python itself is not checked for leaks."""
    code = RUN_TESTS.format(prefix=str(prefix), arguments=arguments)
    sanitizers = {
        "LD_PRELOAD": " ".join([runtime("libasan.so"), runtime("libstdc++.so.6")]),
        "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    environment = {**os.environ, "PYTHONPATH": str(prefix), **({} if plain else sanitizers)}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Builds, tests, and returns the status of pytest."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--emulate", action="store_true", help="compute AVX-512 and AMX in C")
    parser.add_argument("--plain", action="store_true", help="without the sanitizers")
    chosen, arguments = parser.parse_known_args()
    if chosen.emulate and not has_simde():
        print("the emulation needs the headers of SIMDe: apt-get install libsimde-dev", file=sys.stderr)
        return 1
    name = ("emulate" if chosen.emulate else "sanitize") + ("-plain" if chosen.plain else "")
    prefix = build(ROOT / "build" / name, chosen.emulate, chosen.plain)
    return test(prefix, chosen.plain, arguments or DEFAULT_TESTS)


if __name__ == "__main__":
    sys.exit(main())
