"""The package directory: whole or not at all, checked, and never on top of something else."""

import json
from pathlib import Path

import numpy as np
import pytest
from shortlist_training.package import Draft, read_package, verify

from shortlist_training.errors import InputError

MANIFEST = {"schema_version": 1}


def publish(target: Path, content: str) -> None:
    with Draft(target) as draft:
        draft.add_json("models/a/x.json", "model", content)
        draft.publish(MANIFEST)


def test_a_package_appears_with_sizes_and_checksums_and_leaves_no_draft(tmp_path: Path) -> None:
    publish(tmp_path / "deep" / "package", "one")
    manifest = verify(tmp_path / "deep" / "package")
    (entry,) = manifest["files"]
    assert (entry["path"], entry["role"], entry["bytes"]) == ("models/a/x.json", "model", 6)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["package"]


def test_a_package_replaces_an_older_one_whole(tmp_path: Path) -> None:
    publish(tmp_path / "package", "one")
    (tmp_path / "package" / "left over").write_text("x")
    publish(tmp_path / "package", "two")
    assert json.loads((tmp_path / "package/models/a/x.json").read_text()) == "two"
    assert not (tmp_path / "package" / "left over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_a_draft_that_is_left_unpublished_leaves_the_old_package(tmp_path: Path) -> None:
    publish(tmp_path / "package", "one")
    with Draft(tmp_path / "package") as draft:
        draft.add_json("models/a/x.json", "model", "two")
    assert json.loads((tmp_path / "package/models/a/x.json").read_text()) == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_numbers_that_json_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"), Draft(tmp_path / "package") as draft:
        draft.add_json("x.json", "model", float("nan"))


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_not_a_package_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "package"
    if kind == "file":
        target.write_text("mine")
    elif kind == "directory":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        publish(tmp_path / "other", "one")
        target.symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="not overwritten"):
        publish(target, "two")
    assert target.is_symlink() or "mine" in (target.read_text() if kind == "file" else (target / "mine").read_text())


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    publish(tmp_path / "package", "one")
    file = tmp_path / "package/models/a/x.json"
    file.write_text('"eno"\n')
    with pytest.raises(InputError, match=r"models/a/x\.json does not have the checksum"):
        verify(tmp_path / "package")
    file.unlink()
    with pytest.raises(InputError, match=r"models/a/x\.json is missing"):
        verify(tmp_path / "package")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it has no manifest.json"),
        ("{", "not readable as JSON"),
        ('{"schema_version": 2, "files": []}', "not a manifest of schema version 1"),
        ('{"schema_version": 1, "files": [{"path": "x"}]}', "not a manifest of schema version 1"),
        ('{"schema_version": 1, "files": []}', "field 'package_id' is missing"),
        (
            '{"schema_version": 1, "files": [{"path": "../secret", "bytes": 1, "sha256": "00", "role": "x"}]}',
            "../secret is missing",
        ),
    ],
)
def test_a_broken_manifest_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    (tmp_path / "secret").write_text("s")
    package = tmp_path / "package"
    package.mkdir()
    if content is not None:
        (package / "manifest.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_package(package)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_vectors_are_written_as_float32_in_c_order(tmp_path: Path) -> None:
    with Draft(tmp_path / "package") as draft:
        draft.add_vectors("space", np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)))
        draft.publish(MANIFEST)
    vectors = np.load(tmp_path / "package/vectors/space.npy")
    assert vectors.flags.c_contiguous
    assert vectors.tolist() == [[0, 1], [2, 3], [4, 5]]
