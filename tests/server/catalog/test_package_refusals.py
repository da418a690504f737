"""Whatever is wrong with a package, it is one line that names the file or the field, and nothing is served."""

from __future__ import annotations

import io
import json
import re
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from shortlist.package import PackageError
from shortlist_server.catalog.package import open_package
from tests.server.conftest import DIM, MAX_HISTORY, EditManifest, ReplaceFile, make_graph

Document = dict[str, Any]
GIB = 1 << 30


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def lying_npy(shape: str) -> bytes:
    """A header that speaks of more than there is."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(8)


def refused(package: Path) -> str:
    with pytest.raises(PackageError) as refusal:
        open_package(package)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


MANIFESTS: dict[str, tuple[Callable[[Document], Any], str]] = {
    "an unknown field": (lambda m: m.update(colour="blue"), "manifest.json: .*colour"),
    "an unknown field of a part": (lambda m: m["sources"][0].update(speed=1), r"manifest.json: .*sources\[0\].*speed"),
    "a wrong enum": (lambda m: m["spaces"][0].update(metric="METRIC_GUESS"), r"manifest.json: .*METRIC_GUESS"),
    "another schema": (
        lambda m: m.update(schema_version=1),
        "manifest.json: schema_version: 1 is not 2, which this version reads",
    ),
    "two sources of one name": (lambda m: m["sources"][1].update(name="popular"), "sources: 'popular' is given 2"),
    "a source without a kind": (lambda m: m["sources"][2].pop("item_scores"), "'popular' has no kind"),
    "a space that nobody has": (
        lambda m: m["sources"][0]["user_vector"].update(space="moon"),
        r"sources\[0\].user_vector.space: 'moon' is not one of the spaces",
    ),
    "a decay above 1": (
        lambda m: m["sources"][1]["item_matrix"]["history"].update(decay_per_step=1.5),
        r"sources\[1\].item_matrix.history.decay_per_step: 1.5",
    ),
    "a fallback that needs a history": (
        lambda m: m.update(fallback_source="two_tower"),
        "fallback_source: 'two_tower' is not one of the sources of kind item_scores: popular",
    ),
    "a feature that is none": (
        lambda m: m["ranker"]["graph"]["inputs"][0].update(feature="history.colours"),
        r"ranker.graph.inputs\[0\].feature: 'history.colours' is not a feature",
    ),
    "a user vector out of candidates": (
        lambda m: m["sources"][0]["user_vector"]["graph"]["inputs"][0].update(feature="candidate.items"),
        r"sources\[0\].user_vector.graph.inputs: 'candidate.items' is of candidates",
    ),
    "a weight that is no number": (lambda m: m["sources"][0].update(weight="NaN"), r"sources\[0\].weight: nan"),
    "a file that is not listed": (
        lambda m: m.update(files=[f for f in m["files"] if f["path"] != "scores/popular.npy"]),
        "files: 'scores/popular.npy' is used but not listed",
    ),
    "a path that leaves": (lambda m: m["files"][0].update(path="../x"), r"files\[0\].path: '../x'"),
    "an output that is none": (
        lambda m: m["ranker"]["graph"].update(output="nothing"),
        "models/ranker/model.onnx: has no output 'nothing'",
    ),
    "a history of another length": (
        lambda m: m["sources"][0]["user_vector"]["graph"].update(max_history=5),
        "models/two_tower/model.onnx: ",
    ),
    "heads that the graph lacks": (
        lambda m: m["ranker"]["heads"].append({"name": "third", "weight": 1}),
        r"models/ranker/model.onnx: output 'probabilities' is float32 .*, wanted float32 \['batch', 'any', 3\]",
    ),
}


@pytest.mark.parametrize("fault", MANIFESTS)
def test_a_manifest_that_is_wrong_is_refused(package_copy: Path, edit_manifest: EditManifest, fault: str) -> None:
    change, expected = MANIFESTS[fault]
    edit_manifest(change)
    assert_matches(refused(package_copy), expected)


def assert_matches(message: str, expected: str) -> None:
    assert re.search(expected, message), message


INDPTR = np.arange(61, dtype=np.int64)
FILES: dict[str, tuple[str, bytes, str]] = {
    "scores of another length": ("scores/popular.npy", npy(np.zeros(59, np.float32)), r"is float32 \[59\]"),
    "scores of another type": ("scores/popular.npy", npy(np.zeros(60)), "is float64"),
    "scores that are no number": ("scores/popular.npy", npy(np.full(60, np.nan, np.float32)), "nan is not within"),
    "scores that are infinite": ("scores/popular.npy", npy(np.full(60, np.inf, np.float32)), "inf is not within"),
    "scores near the end of float32": (
        "scores/popular.npy",
        npy(np.full(60, 3e38, np.float32)),
        r"3e\+38 is not",
    ),
    "objects": ("scores/popular.npy", npy(np.array([{}] * 60, object)), "not a .npy array"),
    "a lying header": ("scores/popular.npy", lying_npy("(60,)"), "not a .npy array|header"),
    "a header of terabytes": ("scores/popular.npy", lying_npy(f"({10**13},)"), "not a .npy array|header"),
    "no array at all": ("scores/popular.npy", b"PK\x03\x04 an archive", "not a .npy array"),
    "a column out of range": (
        "matrices/item_neighbours/indices.npy",
        npy(np.full(720, 60, np.int32)),
        r"matrices/item_neighbours/indices.npy: entry \[0\]: 60 is not in 0\.\.59",
    ),
    "rows that do not rise": (
        "matrices/item_neighbours/indptr.npy",
        npy(np.array([0, 9, 3, *[9] * 58], np.int64)),
        "matrices/item_neighbours/indptr.npy: ",
    ),
    "an endless title": (
        "items/titles.offsets.npy",
        npy(np.array([0, *[10 << 20] * 60], np.int64)),
        "items/titles.",
    ),
    "golden requests of nonsense": ("golden.json", b'{"tolerance": 0.1, "requests": []}', "golden.json: requests"),
    "a graph that is none": ("models/ranker/model.onnx", b"nonsense", "models/ranker/model.onnx: "),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_is_wrong_is_refused(package_copy: Path, replace_file: ReplaceFile, fault: str) -> None:
    path, content, expected = FILES[fault]
    replace_file(path, content)
    message = refused(package_copy)
    assert message.startswith(path.rpartition(".")[0].partition(".")[0])
    assert_matches(message, expected)


def test_a_title_that_writes_to_a_terminal_is_refused(package_copy: Path, replace_file: ReplaceFile) -> None:
    path = "items/titles.bytes.npy"
    content = np.load(package_copy / path)
    content[3] = 0x1B
    replace_file(path, npy(content))
    assert refused(package_copy) == f"{path}: row 0 holds a control character"


def test_a_file_that_is_missing_changed_or_extra_is_refused(package_copy: Path) -> None:
    (package_copy / "extra.txt").write_text("hello")
    assert refused(package_copy) == "extra.txt: not listed in manifest.json"
    (package_copy / "extra.txt").unlink()
    scores = package_copy / "scores/popular.npy"
    content = scores.read_bytes()
    scores.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert refused(package_copy).startswith("scores/popular.npy: sha256 is ")
    scores.unlink()
    assert refused(package_copy) == "scores/popular.npy: missing"


def hostile_graph(kind: str) -> bytes:
    """A user tower that fits its entry in the manifest and never ends, or never fits."""
    node, value = helper.make_node, helper.make_tensor_value_info
    inputs = [value("history_vectors", TensorProto.FLOAT, ["batch", MAX_HISTORY, DIM])]
    outputs = [value("user_vector", TensorProto.FLOAT, ["batch", DIM])]
    total = node("ReduceSum", ["history_vectors", "axis_1"], ["sum"], keepdims=0)
    constants: dict[str, Any] = {"axis_1": np.array([1], np.int64)}
    if kind == "loop":
        body = helper.make_graph(
            [node("Identity", ["going"], ["still_going"]), node("Add", ["state", "state"], ["next"])],
            "body",
            [
                value("turn", TensorProto.INT64, []),
                value("going", TensorProto.BOOL, []),
                value("state", TensorProto.FLOAT, None),
            ],
            [value("still_going", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
        )
        constants |= {"turns": np.array(10**12, np.int64), "yes": np.array(True)}
        return make_graph(
            "t", [total, node("Loop", ["turns", "yes", "sum"], ["user_vector"], body=body)], inputs, outputs, constants
        )
    constants |= {"shape": np.array([10**6, 10**6], np.int64), "axes": np.array([0, 1], np.int64)}
    nodes = [
        total,
        node("ConstantOfShape", ["shape"], ["huge"]),
        node("ReduceSum", ["huge", "axes"], ["nothing"], keepdims=0),
        node("Add", ["sum", "nothing"], ["user_vector"]),
    ]
    return make_graph("t", nodes, inputs, outputs, constants)


def replace_titles(replace: ReplaceFile, last: str) -> None:
    """No titles but that of the last item."""
    replace("items/titles.bytes.npy", npy(np.frombuffer(last.encode(), np.uint8)))
    replace("items/titles.offsets.npy", npy(np.array([0] * 60 + [len(last)], np.int64)))


HEAVY: dict[str, tuple[Callable[[Path, ReplaceFile], object], str]] = {
    "a graph that loops 1e12 times": (
        lambda copy, replace: replace("models/two_tower/model.onnx", hostile_graph("loop")),
        "models/two_tower/model.onnx: does not end",
    ),
    "a graph that asks for terabytes": (
        lambda copy, replace: replace("models/two_tower/model.onnx", hostile_graph("memory")),
        "models/two_tower/model.onnx: takes more than",
    ),
    "100 MB of JSON": (
        lambda copy, replace: (copy / "manifest.json").write_bytes(b"[" + b"[]," * 33_000_000 + b"[]]"),
        "manifest.json: has more than 4194304 bytes",
    ),
    "JSON that nests for ever": (
        lambda copy, replace: (copy / "manifest.json").write_bytes(b"[" * 4_000_000),
        "manifest.json: not JSON",
    ),
    "a title of 10 MB": (
        lambda copy, replace: replace_titles(replace, "A" * (10 << 20)),
        "items/titles.offsets.npy: row 59 has 10485760 bytes",
    ),
}


@pytest.mark.parametrize("fault", HEAVY)
def test_what_is_made_to_exhaust_a_machine_is_refused_in_bounded_time_and_memory(
    package_copy: Path, replace_file: ReplaceFile, fault: str
) -> None:
    write, expected = HEAVY[fault]
    write(package_copy, replace_file)
    result = subprocess.run(
        [sys.executable, "-m", "shortlist.cli", "package", "verify", str(package_copy)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (GIB, GIB)),
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert_matches(result.stderr, f"^error: {package_copy}/{expected}")
    assert result.stderr.count("\n") == 1


def test_the_manifest_of_the_package_is_untouched_by_a_refusal(package_copy: Path, replace_file: ReplaceFile) -> None:
    before = json.loads((package_copy / "manifest.json").read_text())
    replace_file("scores/popular.npy", npy(np.zeros(3, np.float32)))
    refused(package_copy)
    after = json.loads((package_copy / "manifest.json").read_text())
    assert {key: after[key] for key in after if key != "files"} == {
        key: before[key] for key in before if key != "files"
    }
