"""The house rules that a machine can check: where packages stand and which way imports point."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "shortlist": "protos",
    "shortlist_kernels": "kernels",
    "shortlist_server": "server",
    "shortlist_training": "training",
}
# protos <- server -> kernels <- training -> protos
ALLOWED = {
    "shortlist": set[str](),
    "shortlist_kernels": set[str](),
    "shortlist_server": {"shortlist", "shortlist_kernels"},
    "shortlist_training": {"shortlist", "shortlist_kernels"},
}
FORBIDDEN_LIBRARIES = {
    "shortlist": {"torch", "onnxruntime", "polars", "lmdb", "pydantic"},
    "shortlist_kernels": {"torch", "onnxruntime", "polars", "grpc", "google", "scipy"},
    "shortlist_server": {"torch", "pytorch_lightning", "onnx", "onnxscript"},
    "shortlist_training": {"grpc", "lmdb"},
}
# The one file that may name a library which the base install lacks: it imports it when a Parquet file is opened.
OPTIONAL_LIBRARIES = {"protos/shortlist/events/parquet.py": {"polars"}}


def python_files(package: str) -> list[Path]:
    files = sorted((ROOT / PACKAGES[package] / package).rglob("*.py"))
    assert files, f"{package} has no Python files"
    return files


def imported_roots(file: Path) -> set[str]:
    """The first names of all absolute imports of a file, inside functions too."""
    roots: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            roots.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    forbidden = (PACKAGES.keys() - ALLOWED[package] - {package}) | FORBIDDEN_LIBRARIES[package]
    offenders = {
        name: sorted(bad)
        for file in python_files(package)
        if (
            bad := imported_roots(file) & forbidden - OPTIONAL_LIBRARIES.get(name := str(file.relative_to(ROOT)), set())
        )
    }
    assert not offenders


def test_training_reads_the_contract_without_loading_grpc() -> None:
    """Nor does the reader of events bring polars, which a client need not have."""
    program = (
        "import sys, shortlist.vocabulary, shortlist.events; assert 'polars' not in sys.modules\n"
        "import shortlist_training.data.dataset; assert 'grpc' not in sys.modules"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_every_public_name_of_the_client_is_there_when_it_is_asked_for() -> None:
    program = (
        "import shortlist; assert set(shortlist.__all__) <= set(dir(shortlist))\n"
        "for name in shortlist.__all__: getattr(shortlist, name)\n"
        "from shortlist import AsyncClient, Client, Event\n"
        "assert not hasattr(shortlist, 'nothing')"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("folder", sorted({*PACKAGES.values(), "tests"}))
def test_top_level_folders_are_not_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("folder", sorted(PACKAGES.values()))
def test_each_room_has_a_readme(folder: str) -> None:
    assert (ROOT / folder / "README.md").stat().st_size > 200


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed_and_open_with_their_map(package: str) -> None:
    home = ROOT / PACKAGES[package] / package
    assert (home / "py.typed").exists()
    for init in home.rglob("__init__.py"):
        tree = ast.parse(init.read_text("utf-8"))
        assert ast.get_docstring(tree), f"{init.relative_to(ROOT)} has no docstring"


def test_the_server_installs_without_training_and_the_reverse() -> None:
    """No module of one side names the other, not even in a string that could be imported."""
    for package, other in (("shortlist_server", "shortlist_training"), ("shortlist_training", "shortlist_server")):
        for file in python_files(package):
            assert other not in file.read_text("utf-8"), f"{file.relative_to(ROOT)} names {other}"


def test_no_pickle_anywhere() -> None:
    for package in PACKAGES:
        for file in python_files(package):
            assert not imported_roots(file) & {"pickle", "dill", "cloudpickle", "joblib", "shelve"}, file
            assert "allow_pickle=True" not in file.read_text("utf-8"), file


# --- shapes and words (style.md 5, 7 and 22) -----------------------------------------------------------------------

MAX_MODULES, MAX_LINES, MAX_FUNCTION_LINES = 15, 400, 60
SOURCES = {".py", ".pyx", ".pxi", ".c", ".h", ".proto"}
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
# Words that only this house used, and the field's term for each; CONTRIBUTING.md has the glossary.
PRIVATE_WORDS = {
    "door": "batcher",
    "lane": "queue",
    "rung": "level",
    "contest": "candidates",
    "likeness": "similarity",
    "variety": "diversity",
    "manieth": "number",
}
# Tests that reach into an object, with the reason; the way out is a public name.
PRIVATE_NAMES_ALLOWED: dict[str, set[str]] = {}


def source_files(*folders: str) -> list[Path]:
    """What people wrote in these top-level folders: Python, Cython, C and protobuf."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*")) if file.suffix in SOURCES]
    return [file for file in files if not file.name.endswith(GENERATED)]


def words_of(text: str) -> set[str]:
    """Its words in small letters, with and without a plural s; `DoorState` and `door_state` have two."""
    words = {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}
    return words | {word.removesuffix("s") for word in words}


def private_names_in(tree: ast.AST) -> set[str]:
    """Names that begin with _ and belong to somebody else: read, imported, or replaced by a monkeypatch."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            names.update(text.rpartition(".")[2] for text in texts if isinstance(text, str))
    return {name for name in names if re.match("_[A-Za-z]", name) and name not in {"_replace", "_asdict", "_fields"}}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_of_a_package_has_more_modules_than_a_reader_can_hold(package: str) -> None:
    modules: dict[str, set[str]] = {}
    for file in source_files(f"{PACKAGES[package]}/{package}"):
        if file.stem != "__init__":
            modules.setdefault(str(file.parent.relative_to(ROOT)), set()).add(file.stem)
    assert {folder: len(names) for folder, names in modules.items() if len(names) > MAX_MODULES} == {}


@pytest.mark.parametrize("folder", sorted({*PACKAGES.values(), "tests"}))
def test_files_and_functions_are_short(folder: str) -> None:
    too_long: dict[str, int] = {}
    for file in source_files(folder):
        text, name = file.read_text("utf-8"), str(file.relative_to(ROOT))
        if text.count("\n") > MAX_LINES and file.suffix != ".proto":  # a contract is read by name, not from top to end
            too_long[name] = text.count("\n")
        for node in ast.walk(ast.parse(text)) if file.suffix == ".py" else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                num_lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if num_lines > MAX_FUNCTION_LINES:
                    too_long[f"{name}: {node.name}"] = num_lines
    assert too_long == {}


@pytest.mark.parametrize("word", PRIVATE_WORDS)
def test_no_private_word_stands_for_the_term_of_the_field(word: str) -> None:
    files = [file for file in source_files("server", "training") if word in words_of(file.read_text("utf-8"))]
    assert [str(file.relative_to(ROOT)) for file in files] == [], f"the term is {PRIVATE_WORDS[word]}"


@pytest.mark.parametrize("folder", ["server", "training"])
def test_tests_use_public_names(folder: str) -> None:
    found: dict[str, set[str]] = {}
    for file in source_files(f"tests/{folder}"):
        name = str(file.relative_to(ROOT))
        names = private_names_in(ast.parse(file.read_text("utf-8"))) - PRIVATE_NAMES_ALLOWED.get(name, set())
        if names:
            found[name] = names
    assert found == {}
