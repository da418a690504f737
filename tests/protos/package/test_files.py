import os
import shutil
from pathlib import Path

import pytest

from shortlist.package import PackageError, read_golden, read_manifest, verify_files
from shortlist.package.documents import MAX_DOCUMENT_BYTES, to_json
from shortlist.package.files import MAX_FILES, locate, require_listed
from shortlist.package.layout import item_files
from shortlist.v1.manifest_pb2 import Manifest


def manifest_of(package: Path) -> Manifest:
    return read_manifest(package)


def refusal(package: Path) -> str:
    with pytest.raises(PackageError) as caught:
        verify_files(package, read_manifest(package))
    return str(caught.value)


def test_a_whole_package_is_verified_and_read(package: Path) -> None:
    manifest = read_manifest(package)
    verify_files(package, manifest)
    require_listed(manifest, item_files())
    assert read_golden(package).requests[0].k == 1


def test_a_package_may_be_a_link_or_hold_links_to_its_own_files(package: Path, tmp_path: Path) -> None:
    titles = package / "items" / "titles.bytes.npy"
    titles.rename(titles.with_name("titles.real"))
    titles.symlink_to("titles.real")
    manifest = read_manifest(package)
    entry = next(entry for entry in manifest.files if entry.path == "items/titles.bytes.npy")
    manifest.files.add(path="items/titles.real", num_bytes=entry.num_bytes, sha256=entry.sha256)
    (package / "manifest.json").write_bytes(to_json(manifest))
    (tmp_path / "link").symlink_to(package, target_is_directory=True)
    verify_files(tmp_path / "link", read_manifest(tmp_path / "link"))


@pytest.mark.parametrize("path", ["scores/popular.npy", "golden.json", "models/ranker/model.onnx"])
def test_a_missing_file_is_named(package: Path, path: str) -> None:
    (package / path).unlink()
    assert refusal(package) == f"{path}: missing"


def test_a_changed_byte_is_noticed(package: Path) -> None:
    file = package / "vectors" / "items.index"
    file.write_bytes(b"vectorS")
    assert refusal(package).startswith("vectors/items.index: sha256 is ")


def test_a_file_of_another_size_is_told_by_its_size(package: Path) -> None:
    with (package / "vectors" / "items.index").open("ab") as file:
        file.write(b"!")
    assert refusal(package) == "vectors/items.index: has 8 bytes, the manifest says 7"


def test_a_directory_in_the_place_of_a_file_is_refused(package: Path) -> None:
    (package / "golden.json").unlink()
    (package / "golden.json").mkdir()
    assert refusal(package) == "golden.json: not a plain file"


def test_a_pipe_in_the_place_of_a_file_is_refused_instead_of_read(package: Path) -> None:
    (package / "golden.json").unlink()
    os.mkfifo(package / "golden.json")
    assert refusal(package) == "golden.json: not a plain file"


@pytest.mark.parametrize("path", ["extra", "models/ranker/extra.bin", ".hidden"])
def test_a_file_that_is_not_listed_is_named(package: Path, path: str) -> None:
    (package / path).write_bytes(b"")
    assert refusal(package) == f"{path}: not listed in manifest.json"


def test_a_link_to_a_directory_is_a_file_that_is_not_listed(package: Path) -> None:
    (package / "more").symlink_to("/etc", target_is_directory=True)
    assert refusal(package) == "more: not listed in manifest.json"


def test_a_link_that_leaves_the_package_is_refused(package: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(package / "vectors" / "items.index", outside)
    (package / "vectors" / "items.index").symlink_to(outside)
    assert refusal(package) == "vectors/items.index: a link that leaves the package"


def test_a_link_to_itself_is_missing(package: Path) -> None:
    (package / "golden.json").unlink()
    (package / "golden.json").symlink_to("golden.json")
    assert refusal(package) == "golden.json: missing"


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "items/../../secret"])
def test_no_path_leads_out_of_the_package(package: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(PackageError, match="a link that leaves the package"):
        locate(package, path)


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b"])
def test_a_path_that_no_file_can_have_is_missing(package: Path, path: str) -> None:
    with pytest.raises(PackageError, match="missing"):
        locate(package, path)


def test_a_directory_of_very_many_files_is_not_walked_to_its_end(package: Path) -> None:
    for number in range(MAX_FILES + 1):
        os.close(os.open(package / "models" / f"{number}", os.O_CREAT))
    assert refusal(package) == f"manifest.json: the directory holds more than {MAX_FILES} files"


def test_a_file_that_nobody_verified_is_not_used(package: Path) -> None:
    with pytest.raises(PackageError, match=r"manifest\.json: files: 'scores/trending\.npy' is used but not listed"):
        require_listed(manifest_of(package), ("scores/popular.npy", "scores/trending.npy"))


def test_what_is_no_package_is_refused_before_anything_is_read(package: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no such directory"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(PackageError, match="not a directory"):
        read_manifest(package / "golden.json")
    with pytest.raises(PackageError, match=r"^manifest\.json: missing$"):
        read_manifest(tmp_path)
    with pytest.raises(PackageError, match=r"^golden\.json: missing$"):
        read_golden(tmp_path)


def test_of_a_huge_manifest_only_the_beginning_is_read(package: Path) -> None:
    with (package / "manifest.json").open("ab") as file:
        file.truncate(1 << 40)  # no disk has it: a sparse file
    with pytest.raises(PackageError, match=f"has more than {MAX_DOCUMENT_BYTES} bytes"):
        read_manifest(package)


def test_an_error_says_where_the_package_lies(package: Path, tmp_path: Path) -> None:
    (package / "golden.json").write_text("[]")
    with pytest.raises(PackageError) as caught:
        read_golden(package)
    assert caught.value.at(package) == f"{package}/golden.json: is a JSON list, not an object"
    with pytest.raises(PackageError) as caught:
        read_manifest(tmp_path / "nowhere")
    assert caught.value.at(tmp_path / "nowhere") == f"{tmp_path}/nowhere: no such directory"
