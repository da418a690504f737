"""The house rules that a machine can check: where packages stand and which way imports point."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "shortlist": "protos",
    "shortlist_kernels": "kernels",
    "shortlist_server": "server",
    "shortlist_training": "training",
}
# protos <- server -> kernels <- training
ALLOWED = {
    "shortlist": set[str](),
    "shortlist_kernels": set[str](),
    "shortlist_server": {"shortlist", "shortlist_kernels"},
    "shortlist_training": {"shortlist_kernels"},
}
FORBIDDEN_LIBRARIES = {
    "shortlist": {"torch", "onnxruntime", "polars", "lmdb", "pydantic"},
    "shortlist_kernels": {"torch", "onnxruntime", "polars", "grpc", "google", "scipy"},
    "shortlist_server": {"torch", "pytorch_lightning", "onnx", "onnxscript"},
    "shortlist_training": {"grpc", "lmdb"},
}


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
        str(file.relative_to(ROOT)): sorted(bad)
        for file in python_files(package)
        if (bad := imported_roots(file) & forbidden)
    }
    assert not offenders


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
