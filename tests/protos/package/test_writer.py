import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.package import Draft, PackageError, layout, read_golden, read_manifest, verify_files
from shortlist.package.arrays import open_array, open_sparse
from shortlist.package.files import require_listed
from shortlist.package.layout import item_files
from shortlist.package.manifest import parse_manifest
from shortlist.package.strings import open_keys, open_text
from shortlist.package.writer import prepare_target
from shortlist.v1.manifest_pb2 import Golden, Manifest
from tests.protos.package.small_package import (
    ITEM_IDS,
    TITLES,
    fill,
    small_golden,
    small_manifest,
    write_package,
)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def categories_of(root: Path, num_items: int) -> list[list[str]]:
    names = open_keys(root, layout.CATEGORY_NAMES, None, max_bytes=128)
    matrix = open_sparse(root, layout.CATEGORIES, num_items, len(names), with_data=False)
    bounds = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
    return [names.take(matrix.indices[start:end].tolist()) for start, end in bounds]


# --- round trip ----------------------------------------------------------------------------------------------------


def test_a_published_package_is_what_was_given(tmp_path: Path) -> None:
    package = write_package(tmp_path / "deep" / "package")
    manifest = read_manifest(package)
    verify_files(package, manifest)
    require_listed(manifest, item_files())
    assert read_golden(package) == small_golden()
    del manifest.files[:]
    wanted = small_manifest()
    wanted.schema_version = 2
    assert manifest == wanted
    assert open_keys(package, layout.ITEM_IDS, 5, max_bytes=128).take(range(5)) == ITEM_IDS
    assert open_text(package, layout.TITLES, 5, max_bytes=128).take(range(5)) == TITLES
    assert open_array(package, layout.AVAILABLE, np.bool_, (5,)).all()
    assert categories_of(package, 5) == [["light"], ["heart", "wall"], ["light"], [], ["wall"]]
    numeric = open_array(package, layout.NUMERIC, np.float64, (1, 5))
    assert np.array_equal(numeric, [[1.5, 2.95, np.nan, 0, 7]], equal_nan=True)
    assert open_array(package, "scores/popular.npy", np.float32, (5,)).tolist() == [0, 1, 2, 3, 4]
    for folder in ("matrices/item_neighbours", "interactions/user_neighbours", "interactions/user_neighbours/by_item"):
        assert open_sparse(package, folder, 5, 5).indices.tolist() == [0, 1, 2, 3, 4]


def test_every_file_is_listed_with_its_role(tmp_path: Path) -> None:
    package = write_package(tmp_path / "package")
    roles = {entry.path: entry.role for entry in read_manifest(package).files}
    assert roles.keys() == everything(package).keys() - {"manifest.json"}
    assert set(roles.values()) == {"items", "scores", "matrix", "interactions", "model", "vectors", "golden"}


def test_a_catalogue_may_be_ids_alone(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        items = draft.add_items(ITEM_IDS)
        assert (items.num_items, list(items.numeric)) == (5, [])
        assert open_text(draft.path, layout.TITLES, 5, max_bytes=0).take(range(5)) == [""] * 5
        assert open_array(draft.path, layout.AVAILABLE, np.bool_, (5,)).all()
        assert open_array(draft.path, layout.NUMERIC, np.float64, (0, 5)).size == 0
        assert categories_of(draft.path, 5) == [[]] * 5


def test_what_is_not_available_stays_so(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        draft.add_items(ITEM_IDS, available_N=np.array([True, False, True, True, False]))
        assert open_array(draft.path, layout.AVAILABLE, np.bool_, (5,)).tolist() == [True, False, True, True, False]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    categories=st.lists(st.lists(st.sampled_from(["a", "b", "é", "z", "\uffff", "\U00010000"]), max_size=5), max_size=8)
)
def test_categories_come_back_once_each_and_in_the_order_of_their_bytes(
    tmp_path: Path, categories: list[list[str]]
) -> None:
    with Draft(tmp_path / "package") as draft:
        draft.add_items([f"{row}" for row in range(len(categories))], categories=categories)
        assert categories_of(draft.path, len(categories)) == [
            sorted(set(of_item), key=str.encode) for of_item in categories
        ]


def test_the_time_and_the_version_are_set_where_they_are_missing(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        manifest = fill(draft)
        manifest.ClearField("created")
        draft.publish(manifest)
    written = read_manifest(tmp_path / "package")
    assert written.created.seconds > 1_700_000_000
    assert written.schema_version == layout.SCHEMA_VERSION


def test_a_draft_that_is_finished_is_a_package_where_it_lies(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        draft.finish(fill(draft))
        draft.finish(small_manifest())  # once more, with what was learnt meanwhile
        verify_files(draft.path, read_manifest(draft.path))
        assert not (tmp_path / "package").exists()


# --- whole or not at all -------------------------------------------------------------------------------------------


class OutOfPatienceError(Exception):
    """Any error of the writer's caller."""


def fill_and_fail(target: Path, error: type[BaseException]) -> None:
    with Draft(target) as draft:
        fill(draft)
        raise error


@pytest.mark.parametrize("error", [OutOfPatienceError, KeyboardInterrupt])
def test_an_error_on_the_way_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fill_and_fail(tmp_path / "package", error)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        draft.finish(fill(draft))
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_the_way_leaves_the_older_package(package: Path) -> None:
    before = everything(package)
    with pytest.raises(OutOfPatienceError):
        fill_and_fail(package, OutOfPatienceError)
    assert everything(package) == before
    assert list(package.parent.iterdir()) == [package]


def test_an_unsound_manifest_leaves_the_older_package(package: Path) -> None:
    before = everything(package)
    with Draft(package) as draft:
        manifest = fill(draft)
        manifest.sources[0].weight = math.nan
        with pytest.raises(PackageError, match=r"^manifest\.json: sources\[0\]\.weight: nan is not in 0\.\.1000$"):
            draft.publish(manifest)
    assert everything(package) == before
    assert list(package.parent.iterdir()) == [package]


def test_a_new_package_replaces_an_older_one_and_leaves_nothing_of_it(package: Path) -> None:
    with Draft(package) as draft:
        manifest = fill(draft)
        manifest.id = "shop-2026-02-01"
        draft.add("models/two_tower/extra.bin", "model", lambda file: file.write_bytes(b"new"))
        draft.publish(manifest)
    assert read_manifest(package).id == "shop-2026-02-01"
    write_package(package)
    assert read_manifest(package).id == "shop-2026-01-31"
    verify_files(package, read_manifest(package))
    assert list(package.parent.iterdir()) == [package]


def test_the_older_package_comes_back_when_the_new_one_cannot_take_its_place(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(package)
    rename = Path.rename

    def fail_for_the_draft(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_draft)
    with pytest.raises(PackageError, match=r"the finished package cannot be moved there \(Input/output error\)"):
        write_package(package)
    assert everything(package) == before
    assert list(package.parent.iterdir()) == [package]


def foreign_directory(target: Path) -> None:
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")


def foreign_file(target: Path) -> None:
    target.write_text("years of work")


def link_to_a_package(target: Path) -> None:
    target.symlink_to(write_package(target.parent / "real"), target_is_directory=True)


def broken_link(target: Path) -> None:
    target.symlink_to("nowhere")


@pytest.mark.parametrize("make", [foreign_directory, foreign_file, link_to_a_package, broken_link, Path.mkdir])
def test_what_is_no_package_is_never_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "target")
    before = everything(tmp_path), sorted(os.listdir(tmp_path))  # noqa: PTH208 - names alone
    for attempt in (Draft, prepare_target):
        with pytest.raises(PackageError, match="exists and is not a model package; it is not overwritten"):
            attempt(tmp_path / "target")
    assert (everything(tmp_path), sorted(os.listdir(tmp_path))) == before  # noqa: PTH208


def test_what_takes_the_place_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        manifest = fill(draft)
        foreign_directory(tmp_path / "package")
        with pytest.raises(PackageError, match="exists and is not a model package"):
            draft.publish(manifest)
    assert everything(tmp_path) == {"package/thesis.tex": b"years of work"}


def test_a_place_where_nothing_can_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for attempt in (Draft, prepare_target):
        with pytest.raises(PackageError, match=r"a package cannot be written there \((Not a directory|File exists)\)"):
            attempt(tmp_path / "file" / "package")


def test_a_place_for_a_package_is_prepared_with_its_folders(tmp_path: Path) -> None:
    prepare_target(tmp_path / "a" / "b" / "package")
    assert (tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_full_disk_is_told_with_the_file_that_it_refused(tmp_path: Path) -> None:
    def write(file: Path) -> None:
        raise OSError(28, "No space left on device", str(file))

    with Draft(tmp_path / "package") as draft, pytest.raises(PackageError) as caught:
        draft.add_graph("two_tower", write)
    assert str(caught.value) == "models/two_tower/model.onnx: cannot be written (No space left on device)"


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["../../evil", "a/../../../evil", "/evil", ""])
def test_a_name_never_writes_outside_the_draft(tmp_path: Path, source: str) -> None:
    with Draft(tmp_path / "package") as draft:
        with pytest.raises(PackageError, match="is not a plain relative path inside the package"):
            draft.add(f"{source}/model.onnx", "model", lambda file: file.write_bytes(b""))
        assert everything(tmp_path) == {}


WRONG_ITEMS: list[tuple[dict[str, Any], str]] = [
    ({"item_ids": ["b", "a"]}, "items/ids.bytes.npy: row 1: 'a' comes after 'b'"),
    ({"item_ids": ["a", "a"]}, "items/ids.bytes.npy: row 1: 'a' appears twice"),
    ({"item_ids": ["", "a"]}, "items/ids.offsets.npy: row 0 has 0 bytes, not 1..128"),
    ({"item_ids": ["a", "é" * 65]}, "items/ids.offsets.npy: row 1 has 130 bytes, not 1..128"),
    ({"item_ids": ["a", "b\n"]}, "items/ids.bytes.npy: row 1 holds a control character"),
    ({"item_ids": ["a", "b\ud800"]}, "items/ids.bytes.npy: '\\ud800' is half a surrogate pair"),
    ({"titles": ["", "x" * 1025]}, "items/titles.offsets.npy: row 1 has 1025 bytes, not 0..1024"),
    ({"titles": ["\x1b[2J", ""]}, "items/titles.bytes.npy: row 0 holds a control character"),
    ({"titles": ["\udfff", ""]}, "items/titles.bytes.npy: '\\udfff' is half a surrogate pair"),
    ({"categories": [[""], []]}, "items/categories/names.offsets.npy: row 0 has 0 bytes, not 1..128"),
    ({"categories": [["a", "\ud800"], []]}, "items/categories/names.bytes.npy: '\\ud800' is half a surrogate pair"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), WRONG_ITEMS, ids=[message for _, message in WRONG_ITEMS])
def test_items_that_no_reader_takes_are_not_written(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    arguments = {"item_ids": ["a", "b"], **wrong}
    with Draft(tmp_path / "package") as draft, pytest.raises(PackageError) as caught:
        draft.add_items(arguments.pop("item_ids"), **arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("titles", ["a"]),
        ("available_N", np.ones(3, np.bool_)),
        ("categories", [[]]),
        ("numeric", {"price": np.zeros(1)}),
    ],
)
def test_a_column_of_another_length_is_named(tmp_path: Path, name: str, column: Any) -> None:
    with Draft(tmp_path / "package") as draft, pytest.raises(ValueError, match=r"entries for 2 items$"):
        draft.add_items(["a", "b"], **{name: column})


def test_golden_requests_that_are_not_sound_are_not_written(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft, pytest.raises(PackageError, match=r"^golden\.json: tolerance: 0"):
        draft.add_golden(Golden())


def test_settings_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        manifest = fill(draft)
        manifest.training.settings["rate"] = math.inf
        with pytest.raises(PackageError, match=r"(?i)^manifest\.json: .*inf"):
            draft.publish(manifest)


def test_a_file_that_changes_behind_the_writer_is_noticed_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_then_read(root: Path) -> Manifest:
        (root / "golden.json").write_text("{}")
        return parse_manifest((root / "manifest.json").read_bytes())

    monkeypatch.setattr("shortlist.package.writer.read_manifest", change_then_read)
    with pytest.raises(PackageError, match=r"^golden\.json: has 2 bytes"):
        write_package(tmp_path / "package")
    assert list(tmp_path.iterdir()) == []


# --- memory --------------------------------------------------------------------------------------------------------

WRITE_AND_TELL_PEAK = """
import resource
import sys
from pathlib import Path
from shortlist.package import Draft

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

num_items = 500_000
ids = [f"item {row:09d}" for row in range(num_items)]
names = [f"category {number}" for number in range(300)]
categories = [(names[row % 300], names[row * 7 % 300]) for row in range(num_items)]
before = peak()
with Draft(Path(sys.argv[1])) as draft:
    draft.add_items(ids, titles=ids, categories=categories)
print(peak() - before)
"""


def test_half_a_million_items_are_written_within_a_hundred_bytes_or_two_each(tmp_path: Path) -> None:
    command: Sequence[str] = [sys.executable, "-c", WRITE_AND_TELL_PEAK, str(tmp_path / "package")]
    grown = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert grown < 500_000 * 250
