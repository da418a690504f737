import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from shortlist.package import PackageError
from shortlist.package.documents import to_json
from shortlist.package.manifest import (
    golden_faults,
    graph_faults,
    kind_names,
    manifest_faults,
    parse_golden,
    parse_manifest,
    weights_faults,
)
from shortlist.v1.manifest_pb2 import Graph, GraphInput, HistoryWeights, Manifest
from tests.protos.package.small_package import GONE, Place, document, edited, small_golden, small_manifest


def refusal(text: bytes, parse: Callable[[bytes], object] = parse_manifest) -> str:
    with pytest.raises(PackageError) as caught:
        parse(text)
    return str(caught.value)


def test_a_manifest_comes_back_from_json_as_it_was() -> None:
    manifest = small_manifest()
    manifest.schema_version = 2
    assert parse_manifest(to_json(manifest)) == manifest
    assert json.loads(to_json(manifest))["sources"][0]["name"] == "popular"


def test_golden_requests_come_back_from_json_as_they_were() -> None:
    assert parse_golden(to_json(small_golden())) == small_golden()


def test_every_enum_value_and_kind_of_the_format_is_accepted() -> None:
    assert kind_names() == ["item_scores", "item_matrix", "user_vector", "user_neighbours", "candidate_scorer"]
    assert {source.WhichOneof("kind") for source in small_manifest().sources} == set(kind_names())
    for metric in ("METRIC_INNER_PRODUCT", "METRIC_COSINE", "METRIC_EUCLIDEAN", "METRIC_PEARSON"):
        parse_manifest(json.dumps(edited(document(), ("spaces", 0, "metric"), metric)).encode())


# What an edit of the sound manifest is answered with: the field and the value.
EDITS: list[tuple[Place, Any, str]] = [
    # what is no JSON of the message
    (("colour",), "red", "colour: there is no such field"),
    (("sources", 1, "colour"), "red", "sources[1].colour: there is no such field"),
    (("sources", 1, "item_matrix", "history", "decay"), 1, "sources[1].item_matrix.history.decay: there is no"),
    (("[a.b]",), 1, "[a.b]: there is no such field"),
    (("sources",), {}, "sources: {} is not a list"),
    (("sources",), "all", "sources: 'all' is not a list"),
    (("sources", 0), "popular", "sources[0]: 'popular' is not an object"),
    (("sources", 0), None, "sources[0]: None is not an object"),
    (("sources", 0, "weight"), "heavy", "sources[0].weight: 'heavy' is not a number"),
    (("sources", 0, "weight"), [1], "sources[0].weight: [1] is not a number"),
    (("sources", 0, "weight"), 10**400, "is not a number"),
    (("sources", 0, "name"), 5, "sources[0].name: 5 is not text"),
    (("sources", 0, "name"), "\ud800", "is not text"),
    (("sources", 0, "training"), 5, "sources[0].training: 5 is not an object of plain values"),
    (("sources", 0, "item_matrix"), {}, "sources[0]: item_scores and item_matrix exclude each other"),
    (("num_candidates",), 1.5, "num_candidates: 1.5 is not a whole number of 32 bits"),
    (("num_candidates",), 2**31, "num_candidates: 2147483648 is not a whole number of 32 bits"),
    (("num_candidates",), True, "num_candidates: True is not a whole number of 32 bits"),
    (("items", "num_items"), 2**63, "items.num_items: 9223372036854775808 is not a whole number of 64 bits"),
    (("items", "numeric", 0), None, "items.numeric[0]: None is not text"),
    (("items",), 5, "items: 5 is not an object"),
    (("created",), "yesterday", "created: 'yesterday' is not a time like 2026-01-31T12:00:00Z"),
    (("created",), 5, "created: 5 is not a time"),
    (("spaces", 0, "metric"), "METRIC_TAXI", "spaces[0].metric: 'METRIC_TAXI' is not one of METRIC_UNSPECIFIED"),
    (("spaces", 0, "metric"), [], "spaces[0].metric: [] is not one of"),
    (("sources", 1, "item_matrix", "history", "normalise"), 1, "item_matrix.history.normalise: 1 is not true or false"),
    # what the message may hold and a package may not
    (("schema_version",), 1, "schema_version: 1 is not 2"),
    (("schema_version",), "2", "schema_version: '2' is not 2"),
    (("schema_version",), GONE, "schema_version: None is not 2"),
    (("schema_version",), {"a": {"a": {"a": 1}}}, "is not 2"),
    (("name",), "", "name: '' is not a name"),
    (("name",), "a/b", "name: 'a/b' is not a name"),
    (("name",), "shop\n", "name: 'shop\\n' is not a name"),
    (("id",), "x" * 129, "is not a name"),
    (("created",), GONE, "created: is missing"),
    (("data",), GONE, "data: is missing"),
    (("training",), None, "training: is missing"),
    (("evaluations", 0, "protocol"), "", "evaluations[0].protocol: '' is no name of a protocol"),
    (("items",), GONE, "items.num_items: 0 is not in 1..2147483647"),
    (("items", "num_items"), 2**31, "items.num_items: 2147483648 is not in 1..2147483647"),
    (("items", "numeric"), ["price", "price"], "items.numeric: 'price' is given 2 times"),
    (("items", "numeric"), ["price", ""], "items.numeric[1]: '' is not 1..128 bytes of printable text"),
    (("items", "numeric"), ["price", "é" * 65], "is not 1..128 bytes of printable text"),
    (("items", "numeric"), ["price", "a\tb"], "items.numeric[1]: 'a\\tb' is not"),
    (("spaces", 0, "name"), "../items", "spaces[0].name: '../items' is not a name"),
    (("spaces", 0, "metric"), GONE, "spaces[0].metric: 0 is not a metric"),
    (("spaces", 0, "metric"), 99, "spaces[0].metric: 99 is not a metric"),
    (("spaces", 0, "dimensions"), 65_537, "spaces[0].dimensions: 65537 is not in 1..65536"),
    (("sources",), [], "sources: 0 entries, not 1..64"),
    (("sources", 1, "name"), "popular", "sources: 'popular' is given 2 times"),
    (("sources", 1, "name"), "ranker", "sources[1].name: 'ranker' is the name of the ranker"),
    (("sources", 1, "name"), ".hidden", "sources[1].name: '.hidden' is not a name"),
    (("sources", 0, "weight"), "NaN", "sources[0].weight: nan is not in 0..1000"),
    (("sources", 0, "weight"), "Infinity", "sources[0].weight: inf is not in 0..1000"),
    (("sources", 0, "weight"), -0.5, "sources[0].weight: -0.5 is not in 0..1000"),
    (("sources", 0, "weight"), 1001, "sources[0].weight: 1001 is not in 0..1000"),
    (("sources", 0, "item_scores"), GONE, "sources[0]: 'popular' has no kind; there are item_scores, item_matrix"),
    (("fallback_source",), "trending", "'trending' is not one of the sources of kind item_scores: popular"),
    (("fallback_source",), "two_tower", "fallback_source: 'two_tower' is not one of the sources of kind item_scores"),
    (("fusion",), GONE, "fusion.method: 0 is not a method of fusion"),
    (("fusion", "method"), 77, "fusion.method: 77 is not a method of fusion"),
    (("fusion", "normalisation"), 77, "fusion.normalisation: 77 is not a normalisation"),
    (("num_candidates",), 0, "num_candidates: 0 is not in 1..10000"),
    (("num_candidates",), 10_001, "num_candidates: 10001 is not in 1..10000"),
    (("ranker", "heads"), [], "ranker.heads: 0 entries, not 1..64"),
    (("ranker", "heads", 1, "name"), "view", "ranker.heads: 'view' is given 2 times"),
    (("ranker", "heads", 0, "weight"), "NaN", "ranker.heads[0].weight: nan is not in -1000..1000"),
    (("ranker", "heads", 0, "weight"), "-Infinity", "ranker.heads[0].weight: -inf is not in -1000..1000"),
    (("ranker", "graph"), GONE, "ranker.graph.inputs: 0 entries, not 1..64"),
    (("ranker", "graph", "inputs", 1, "feature"), "candidate.numeric:size", "inputs[1].feature: 'size' is"),
    (("rerank", "space"), "texts", "rerank.space: 'texts' is not one of the names: items"),
    (("files", 1, "path"), "golden.json", "files: 'golden.json' is given 2 times"),
    (("files", 1, "path"), "manifest.json", "files[1].path: manifest.json may not be listed"),
    (("files", 1, "num_bytes"), -1, "files[1].num_bytes: -1 is less than 0"),
    (("files", 1, "sha256"), "0" * 63, "files[1].sha256: '000"),
    (("files", 1, "sha256"), "A" * 64, "is not 64 hexadecimal digits"),
    (("files", 1, "sha256"), "\u0660" * 64, "is not 64 hexadecimal digits"),
    (("files", 1, "sha256"), "", "files[1].sha256: '' is not 64 hexadecimal digits"),
]  # fmt: skip
OUTSIDE = [
    "",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a//b",
    "a/",
    "./a",
    "a/./b",
    "C:\\x",
    "a\\..\\b",
    "a\nb",
    "a\0b",
]


@pytest.mark.parametrize(
    ("path", "value", "message"), EDITS, ids=[f"{path[-1]}-{text[:40]}" for path, _, text in EDITS]
)
def test_a_wrong_field_is_named_with_its_value_in_one_line(path: Place, value: Any, message: str) -> None:
    parse_manifest(json.dumps(document()).encode())
    line = refusal(json.dumps(edited(document(), path, value)).encode())
    assert line.startswith("manifest.json: ")
    assert message in line
    assert "Failed to parse" not in line
    assert "\n" not in line


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leaves_the_package_or_has_two_spellings_is_refused(path: str) -> None:
    text = json.dumps(edited(document(), ("files", 1, "path"), path)).encode()
    assert "files[1].path: " in refusal(text)
    assert "is not a plain relative path inside the package" in refusal(text)


@pytest.mark.parametrize("part", ["sources", "spaces"])
def test_at_most_64_parts_of_each_sort(part: str) -> None:
    whole = document()
    first = whole[part][0]
    fill = [{**first, "name": f"more-{number}"} for number in range(64 - len(whole[part]))]
    parse_manifest(json.dumps(edited(whole, (part,), [*whole[part], *fill])).encode())
    one_more = [*whole[part], *fill, {**first, "name": "one-more"}]
    assert f"{part}: 65 entries" in refusal(json.dumps(edited(whole, (part,), one_more)).encode())


def test_a_package_may_have_one_source_and_nothing_else() -> None:
    whole = document()
    for name in ("spaces", "ranker", "rerank", "fallback_source", "evaluations"):
        del whole[name]
    whole["sources"] = whole["sources"][:1]
    assert [source.name for source in parse_manifest(json.dumps(whole).encode()).sources] == ["popular"]


GRAPH_EDITS: list[tuple[Callable[[Graph], object], str]] = [
    (lambda graph: graph.ClearField("inputs"), "graph.inputs: 0 entries, not 1..64"),
    (lambda graph: graph.ClearField("output"), "graph.output: '' is no name of an output"),
    (lambda graph: graph.ClearField("max_history"), "graph.max_history: 0 is not in 1..10000"),
    (lambda graph: setattr(graph, "max_history", 10_001), "graph.max_history: 10001 is not in 1..10000"),
    (lambda graph: setattr(graph, "max_history", -1), "graph.max_history: -1 is not in 1..10000"),
    (lambda graph: graph.inputs.add(name="items", feature="history.types"), "graph.inputs: 'items' is given 2 times"),
    (lambda graph: graph.inputs.add(feature="history.types"), "graph.inputs[1].name: '' is no name of an input"),
    (lambda graph: graph.inputs.add(name="a", feature="history.mood"), "graph.inputs[1].feature: 'history.mood' is"),
    (lambda graph: graph.inputs.add(name="a"), "graph.inputs[1].feature: '' is not a feature"),
    (
        lambda graph: graph.inputs.add(name="a", feature="history.vectors:texts"),
        "graph.inputs[1].feature: 'texts' is not one of the names: items",
    ),
    (
        lambda graph: graph.inputs.add(name="a", feature="candidate.numeric:size"),
        "graph.inputs[1].feature: 'size' is not one of the names: price",
    ),
    (
        lambda graph: graph.inputs.extend(GraphInput(name=f"{i}", feature="history.items") for i in range(64)),
        "graph.inputs: 65 entries, not 1..64",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "message"), GRAPH_EDITS, ids=[message for _, message in GRAPH_EDITS])
def test_a_wrong_entry_of_a_graph_is_named(edit: Callable[[Graph], object], message: str) -> None:
    graph = Graph(inputs=[GraphInput(name="items", feature="history.items")], output="vector", max_history=20)
    assert list(graph_faults("graph", graph, small_manifest())) == []
    edit(graph)
    assert message in "\n".join(graph_faults("graph", graph, small_manifest()))


def test_a_graph_without_history_needs_no_length_of_one() -> None:
    graph = Graph(inputs=[GraphInput(name="hour", feature="context.hour")], output="out")
    assert list(graph_faults("graph", graph, small_manifest())) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_items", 0, "history.max_items: 0 is not in 1..10000"),
        ("max_items", 10_001, "history.max_items: 10001 is not in 1..10000"),
        ("decay_per_step", 0.0, "history.decay_per_step: 0 is not above 0 and at most 1"),
        ("decay_per_step", 1.01, "history.decay_per_step: 1.01 is not above 0 and at most 1"),
        ("decay_per_step", math.nan, "history.decay_per_step: nan is not above 0 and at most 1"),
        ("half_life_days", 0.0, "history.half_life_days: 0 is not a number above 0"),
        ("half_life_days", -1.0, "history.half_life_days: -1 is not a number above 0"),
        ("half_life_days", math.inf, "history.half_life_days: inf is not a number above 0"),
        ("half_life_days", math.nan, "history.half_life_days: nan is not a number above 0"),
    ],
)
def test_a_wrong_weight_of_a_history_is_named(field: str, value: float, message: str) -> None:
    weights = HistoryWeights(max_items=50, decay_per_step=1, half_life_days=0.5)
    assert list(weights_faults("history", weights)) == []
    setattr(weights, field, value)
    assert list(weights_faults("history", weights)) == [message]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("tolerance",), 0, "tolerance: 0 is not above 0 and at most 1"),
        (("tolerance",), "NaN", "tolerance: nan is not above 0 and at most 1"),
        (("tolerance",), "Infinity", "tolerance: inf is not above 0 and at most 1"),
        (("requests",), [], "requests: there is none"),
        (("requests", 0, "k"), 0, "requests[0].k: 0 is not in 1..1000"),
        (("requests", 0, "k"), 1001, "requests[0].k: 1001 is not in 1..1000"),
        (("requests", 0, "fused", "scores"), [], "requests[0].fused: 1 item_ids for 0 scores"),
        (("requests", 0, "ranked", "scores", 0), "NaN", "requests[0].ranked.scores: a score is not finite"),
        (("requests", 0, "sources", 0, "list", "item_ids"), [], "requests[0].sources[0].list: 0 item_ids for 1 scores"),
        (
            ("requests", 0, "sources", 0, "list", "scores", 0),
            "Infinity",
            "requests[0].sources[0].list.scores: a score is",
        ),
        (("requests", 0, "user"), "x", "requests[0].user: there is no such field"),
        (("requests", 0, "history", 0, "timestamp"), "now", "requests[0].history[0].timestamp: 'now' is not a whole"),
    ],
)
def test_a_wrong_field_of_a_golden_request_is_named(path: Place, value: Any, message: str) -> None:
    whole = json.loads(to_json(small_golden()))
    line = refusal(json.dumps(edited(whole, path, value)).encode(), parse_golden)
    assert line.startswith("golden.json: ")
    assert message in line


def test_two_golden_lists_of_one_source_are_refused() -> None:
    golden = small_golden()
    golden.requests[0].sources.append(golden.requests[0].sources[0])
    assert list(golden_faults(golden)) == ["requests[0].sources: 'popular' is given 2 times"]


def test_all_faults_are_told_not_only_the_first() -> None:
    faults = list(manifest_faults(Manifest()))
    assert len(faults) > 5
    assert all(": " in fault for fault in faults)
