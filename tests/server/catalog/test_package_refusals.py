"""What open_package refuses: each fault is one line that begins with the file at fault."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist_server.catalog import open_package
from shortlist_server.errors import PackageError

EditManifest: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
ReplaceFile: TypeAlias = Callable[[str, bytes], None]
VECTORS, NEIGHBOURS = "vectors/two_tower.npy", "neighbours/item_neighbours.npz"


def refusal(path: Path) -> str:
    with pytest.raises(PackageError) as raised:
        open_package(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'}: no such directory"


def test_a_directory_without_a_manifest(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "manifest.json: missing"


def test_a_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file").endswith("not a directory")


@pytest.mark.parametrize("path", ["items.parquet", VECTORS, "golden.json", "models/ranker/model.onnx"])
def test_a_missing_file(package_copy: Path, path: str) -> None:
    (package_copy / path).unlink()
    assert refusal(package_copy) == f"{path}: missing"


def test_a_file_of_another_size(package_copy: Path) -> None:
    with (package_copy / VECTORS).open("ab") as stream:
        stream.write(b"\0")
    assert "bytes, the manifest says" in refusal(package_copy)


def test_a_flipped_bit(package_copy: Path) -> None:
    content = bytearray((package_copy / NEIGHBOURS).read_bytes())
    content[len(content) // 2] ^= 1
    (package_copy / NEIGHBOURS).write_bytes(content)
    assert refusal(package_copy).startswith(f"{NEIGHBOURS}: sha256 is ")


def test_a_file_that_nobody_listed(package_copy: Path) -> None:
    (package_copy / "models/ranker/weights.bin").write_bytes(b"?")
    assert refusal(package_copy) == "models/ranker/weights.bin: not listed in manifest.json"


def test_a_link_out_of_the_package(package_copy: Path, tmp_path: Path) -> None:
    (package_copy / VECTORS).rename(tmp_path / "elsewhere.npy")
    (package_copy / VECTORS).symlink_to(tmp_path / "elsewhere.npy")
    assert refusal(package_copy) == f"{VECTORS}: a link that leaves the package"


def test_a_folder_that_is_a_link_out_of_the_package(package_copy: Path, tmp_path: Path) -> None:
    (package_copy / "vectors").rename(tmp_path / "elsewhere")
    (package_copy / "vectors").symlink_to(tmp_path / "elsewhere")
    assert refusal(package_copy) == f"{VECTORS}: a link that leaves the package"


def test_a_pipe_in_place_of_a_file(package_copy: Path) -> None:
    (package_copy / VECTORS).unlink()
    os.mkfifo(package_copy / VECTORS)
    assert refusal(package_copy) == f"{VECTORS}: not a plain file"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside",
        "vectors/../../outside",
        "./items.parquet",
        "a//b",
        "a\\b",
        "a\nb",
        "",
        "manifest.json",
    ],
)
def test_a_listed_path_that_is_not_plainly_inside(package_copy: Path, edit_manifest: EditManifest, path: str) -> None:
    edit_manifest(lambda manifest: manifest["files"][0].update(path=path))
    assert refusal(package_copy).startswith("manifest.json: files.0.path: path ")


def test_a_manifest_that_is_not_json(package_copy: Path) -> None:
    (package_copy / "manifest.json").write_text('{"schema_version": 1,\n "name": }')
    assert refusal(package_copy).startswith("manifest.json: not JSON: expected value at line 2")


@pytest.mark.parametrize("document", [[], {}, {"schema_version": 2}, {"schema_version": "1"}])
def test_another_schema_version(package_copy: Path, document: object) -> None:
    (package_copy / "manifest.json").write_text(json.dumps(document))
    assert "this server reads 1" in refusal(package_copy)


MANIFEST_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (lambda m: m.update(sorces=[]), "sorces: Extra inputs are not permitted"),
    "unknown nested key": (lambda m: m["ranker"].update(heat=1), "ranker.heat: Extra inputs"),
    "missing key": (lambda m: m.pop("fusion"), "fusion: Field required"),
    "wrong type": (lambda m: m.update(max_history="10"), "max_history: Input should be a valid integer"),
    "no history": (lambda m: m.update(max_history=0), "max_history: Input should be greater than or equal to 1"),
    "unknown source type": (lambda m: m["sources"][0].update(type="magic"), "sources.0: Input tag 'magic'"),
    "negative weight": (lambda m: m["sources"][2].update(weight=-1), "sources.2.popular.weight: Input should be"),
    "unknown metric": (lambda m: m["sources"][0].update(metric="l7"), "sources.0.two_tower.metric: Input should be"),
    "unknown fusion": (lambda m: m["fusion"].update(method="vote"), "fusion.method: Input should be"),
    "duplicate source": (lambda m: m["sources"][2].update(name="two_tower"), "sources: 'two_tower' appears twice"),
    "duplicate file": (lambda m: m["files"].append(m["files"][0]), "files: 'golden.json' appears twice"),
    "unlisted vectors": (lambda m: m["rerank"].update(vectors="text"), "files: 'vectors/text.npy' is used but not"),
    "unknown model": (lambda m: m["sources"][0].update(model="tower"), "sources: 'two_tower' uses model 'tower'"),
    "unknown ranker": (lambda m: m["ranker"].update(model="sorter"), "ranker: model 'sorter' is not in models"),
    "path in a name": (lambda m: m["rerank"].update(vectors="../x"), "rerank.vectors: String should match pattern"),
    "unknown feature": (
        lambda m: m["models"][0]["inputs"][0].update(feature="history.moods"),
        "models: user_tower: input 'history_items': unknown feature 'history.moods'",
    ),
    "feature dtype": (
        lambda m: m["models"][0]["inputs"][0].update(dtype="float32"),
        "models: user_tower: input 'history_items': feature 'history.items' is int64, the input float32",
    ),
    "history length": (
        lambda m: m.update(max_history=11),
        "feature 'history.items' has shape ['batch', 11], the input ['batch', 10]",
    ),
    "fixed candidates": (
        lambda m: m["models"][1]["inputs"][2].update(shape=["batch", 20]),
        "feature 'candidate.items' has shape ['batch', 'candidates'], the input ['batch', 20]",
    ),
    "number of sources": (lambda m: m["sources"].pop(), "has shape ['batch', 'candidates', 2], the input"),
    "number of heads": (
        lambda m: m["ranker"]["heads"].pop(),
        "models: ranker: output 'probabilities' has shape ['batch', 'candidates', 2], wanted [batch, candidates, 1]",
    ),
    "tower sees candidates": (
        lambda m: m["models"][0]["inputs"][0].update(feature="candidate.items", shape=["batch", "n"]),
        "models: user_tower: a user tower sees the history only, not 'candidate.items'",
    ),
    "unheard-of weight": (lambda m: m["sources"][1].update(weight=1e300), "weight: Input should be less than or"),
    "unheard-of head": (lambda m: m["ranker"]["heads"][0].update(weight=-1e39), "weight: Input should be greater than"),
    "duplicate head": (lambda m: m["ranker"]["heads"][0].update(name="purchase"), "ranker.heads: 'purchase' appears"),
    "more candidates than a request may ask": (
        lambda m: m.update(num_candidates=10_001),
        "num_candidates: Input should be less than or equal to 10000",
    ),
    "longer history than a request may give": (
        lambda m: m.update(max_history=10_001),
        "max_history: Input should be less than or equal to 10000",
    ),
    "unnamed protocol": (lambda m: m["evaluation"][0].update(protocol={}), "evaluation.0.protocol: a protocol needs"),
}


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
def test_a_manifest_that_is_wrong(package_copy: Path, edit_manifest: EditManifest, fault: str) -> None:
    change, message = MANIFEST_FAULTS[fault]
    edit_manifest(change)
    assert message in refusal(package_copy)


def test_a_long_fault_is_cut_to_a_line(package_copy: Path) -> None:
    (package_copy / "manifest.json").write_text(json.dumps({"schema_version": "1" * 100_000}))
    assert len(refusal(package_copy)) <= 500


def test_a_manifest_too_large_to_be_one(package_copy: Path) -> None:
    os.truncate(package_copy / "manifest.json", 2**40)
    assert refusal(package_copy) == "manifest.json: has 1099511627776 bytes, more than 67108864"


def test_extension_points_take_further_keys(package_copy: Path, edit_manifest: EditManifest) -> None:
    def extend(manifest: dict[str, Any]) -> None:
        manifest["data"]["collected_by"] = "the shop"
        manifest["evaluation"][0]["results"][0]["seconds"] = 1.5
        manifest["extensions"] = {"anything": [1, 2]}

    edit_manifest(extend)
    assert open_package(package_copy).manifest.extensions == {"anything": [1, 2]}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((59, 8), np.float32), "is float32 [59, 8], wanted float32 [60, dimensions]"),
        (np.zeros((60, 8), np.float64), "is float64 [60, 8]"),
        (np.zeros(60, np.float32), "is float32 [60]"),
        (np.asfortranarray(np.zeros((60, 8), np.float32)), "is in Fortran order"),
        (np.full((60, 8), np.nan, np.float32), "row 0 holds NaN or infinity"),
        (np.ones((60, 9), np.float32), "has 9 dimensions, output 'user_vector' of model 'user_tower' 8"),
        (np.array([{}, []], dtype=object), "not a .npy array"),
    ],
)
def test_vectors_that_do_not_fit(
    package_copy: Path, replace_file: ReplaceFile, array: NDArray[Any], message: str
) -> None:
    replace_file(VECTORS, npy(array))
    assert refusal(package_copy).startswith(f"{VECTORS}: {message}")


def npy_of_shape(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(60 * 8 * 4)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY",
        npy_of_shape("(60, 8"),
        npy_of_shape("(-60, 8)"),
        npy_of_shape("(True, 8)"),
        npy_of_shape("(99999999999999999999, 8)"),
    ],
)
def test_vectors_that_are_no_array(package_copy: Path, replace_file: ReplaceFile, content: bytes) -> None:
    replace_file(VECTORS, content)
    assert refusal(package_copy).startswith(f"{VECTORS}: not a .npy array")


NEIGHBOUR_FAULTS: dict[str, tuple[dict[str, NDArray[Any] | None], str]] = {
    "missing": ({"data": None}, "data is missing, wanted one axis of float32"),
    "dtype": ({"indices": np.zeros(1, np.int64)}, "indices is int64 [1], wanted one axis of int32"),
    "too few rows": ({"indptr": np.zeros(60, np.int64)}, "indptr has 60 entries, wanted 61"),
    "falling": ({"indptr": np.array([0, 2, 1] + [2] * 58, np.int64)}, "indptr does not rise from 0 to 2"),
    "wrapping round": (
        {"indptr": np.array([0, 2**63 - 1, -(2**63), -1] + [2] * 57, np.int64)},
        "indptr does not rise from 0 to 2",
    ),
    "not to the end": ({"indptr": np.zeros(61, np.int64)}, "indptr does not rise from 0 to 2"),
    "lengths": ({"data": np.ones(3, np.float32)}, "data has 3 entries for 2 indices"),
    "beyond": ({"indices": np.array([1, 60], np.int32)}, "indices leave 0..59"),
    "negative": ({"indices": np.array([-1, 1], np.int32)}, "indices leave 0..59"),
    "NaN": ({"data": np.array([1, np.nan], np.float32)}, "data holds NaN or infinity"),
    "self": ({"indices": np.array([1, 1], np.int32)}, "item row 1 is its own neighbour"),
    "pickled": ({"data": np.array([{}], dtype=object)}, "not a .npz archive: Object arrays cannot be loaded"),
}


@pytest.mark.parametrize("fault", NEIGHBOUR_FAULTS)
def test_neighbours_that_do_not_fit(package_copy: Path, replace_file: ReplaceFile, fault: str) -> None:
    change, message = NEIGHBOUR_FAULTS[fault]
    arrays: dict[str, NDArray[Any] | None] = {
        "indptr": np.array([0, 1] + [2] * 59, np.int64),
        "indices": np.array([1, 0], np.int32),
        "data": np.ones(2, np.float32),
    }
    stream = io.BytesIO()
    kept: dict[str, Any] = {name: array for name, array in (arrays | change).items() if array is not None}
    np.savez(stream, **kept)
    replace_file(NEIGHBOURS, stream.getvalue())
    assert refusal(package_copy).startswith(f"{NEIGHBOURS}: {message}")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06 not a zip", npy(np.zeros(3))])
def test_neighbours_that_are_no_archive(package_copy: Path, replace_file: ReplaceFile, content: bytes) -> None:
    replace_file(NEIGHBOURS, content)
    assert refusal(package_copy).startswith(f"{NEIGHBOURS}: not a .npz archive")


def test_a_model_that_is_none(package_copy: Path, replace_file: ReplaceFile) -> None:
    replace_file("models/ranker/model.onnx", b"nothing")
    assert refusal(package_copy).startswith("models/ranker/model.onnx: not a model that onnxruntime can run")


def test_a_model_whose_names_are_no_text(package_copy: Path, replace_file: ReplaceFile) -> None:
    file = package_copy / "models/ranker/model.onnx"
    replace_file("models/ranker/model.onnx", file.read_bytes().replace(b"candidate_items", b"candidate_\xfftems"))
    assert refusal(package_copy).startswith("models/ranker/model.onnx: ")


def test_a_model_with_other_inputs(package_copy: Path, replace_file: ReplaceFile) -> None:
    replace_file("models/ranker/model.onnx", (package_copy / "models/user_tower/model.onnx").read_bytes())
    assert refusal(package_copy).startswith("models/ranker/model.onnx: the graph has inputs ['history_items']")
