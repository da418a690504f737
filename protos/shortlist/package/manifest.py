"""manifest.json and golden.json as their messages, and what must hold inside them.

What a kind of source needs beyond that, the module of the kind checks when the server builds it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from shortlist.package.documents import read_object, shown, to_message
from shortlist.package.errors import PackageError
from shortlist.package.features import parse_feature
from shortlist.package.layout import GOLDEN, MANIFEST, NAME, RANKER, SCHEMA_VERSION, is_plain
from shortlist.v1.manifest_pb2 import Golden, Graph, HistoryWeights, Manifest, Metric, Source
from shortlist.v1.recommendation_pb2 import FusionMethod, Normalisation

MAX_CANDIDATES: Final = 10_000
MAX_HISTORY: Final = 10_000
MAX_ITEMS: Final = 2**31 - 1
MAX_PARTS: Final = 64  # sources, spaces, heads, inputs: more than anybody has, few enough for one matrix column each
MAX_WEIGHT: Final = 1000.0
MAX_DIMENSIONS: Final = 65_536
MAX_ATTRIBUTE_BYTES: Final = 128


def parse_manifest(text: bytes) -> Manifest:
    """The manifest in these bytes, sound in itself. PackageError names the first wrong field and its value."""
    document = read_object(text, MANIFEST)
    found = document.get("schema_version", document.get("schemaVersion"))
    if found != SCHEMA_VERSION:
        raise PackageError(
            MANIFEST, f"schema_version: {shown(found)} is not {SCHEMA_VERSION}, which this version reads"
        )
    manifest = to_message(document, Manifest(), MANIFEST)
    for fault in manifest_faults(manifest):
        raise PackageError(MANIFEST, fault)
    return manifest


def parse_golden(text: bytes) -> Golden:
    """The golden requests in these bytes. PackageError names the first wrong field and its value."""
    golden = to_message(read_object(text, GOLDEN), Golden(), GOLDEN)
    for fault in golden_faults(golden):
        raise PackageError(GOLDEN, fault)
    return golden


def manifest_faults(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a manifest in itself, each in one line that names the field and the value."""
    yield from _name("name", manifest.name)
    yield from _name("id", manifest.id)
    for field in ("created", "data", "training"):
        if not manifest.HasField(field):
            yield f"{field}: is missing"
    for position, evaluation in enumerate(manifest.evaluations):
        if not evaluation.protocol:
            yield f"evaluations[{position}].protocol: '' is no name of a protocol"
    yield from _in_range("items.num_items", manifest.items.num_items, 1, MAX_ITEMS)
    yield from _attribute_faults(manifest)
    yield from _space_faults(manifest)
    yield from _source_faults(manifest)
    yield from _fusion_faults(manifest)
    yield from _ranker_faults(manifest)
    if manifest.HasField("rerank"):
        yield from _known("rerank.space", manifest.rerank.space, [space.name for space in manifest.spaces])
    yield from _file_faults(manifest)


def graph_faults(path: str, graph: Graph, manifest: Manifest) -> Iterator[str]:
    """What is wrong with a graph's entry: inputs, features, the spaces and attributes that they name, its history."""
    yield from _count(f"{path}.inputs", len(graph.inputs), 1)
    yield from _unique(f"{path}.inputs", (entry.name for entry in graph.inputs))
    if not graph.output:
        yield f"{path}.output: '' is no name of an output"
    known = {"space": [space.name for space in manifest.spaces], "attribute": list(manifest.items.numeric)}
    has_history = False
    for position, entry in enumerate(graph.inputs):
        if not entry.name:
            yield f"{path}.inputs[{position}].name: '' is no name of an input"
        field = f"{path}.inputs[{position}].feature"
        try:
            feature = parse_feature(entry.feature)
        except ValueError as error:
            yield f"{field}: {error}"
            continue
        has_history = has_history or feature.is_history
        if feature.spec.argument in known:
            yield from _known(field, feature.argument, known[feature.spec.argument])
    if has_history or graph.max_history:
        yield from _in_range(f"{path}.max_history", graph.max_history, 1, MAX_HISTORY)


def weights_faults(path: str, weights: HistoryWeights) -> Iterator[str]:
    """What is wrong with the weights of a history."""
    yield from _in_range(f"{path}.max_items", weights.max_items, 1, MAX_HISTORY)
    if weights.HasField("decay_per_step") and not 0.0 < weights.decay_per_step <= 1.0:
        yield f"{path}.decay_per_step: {weights.decay_per_step:g} is not above 0 and at most 1"
    if weights.HasField("half_life_days") and not 0.0 < weights.half_life_days < math.inf:
        yield f"{path}.half_life_days: {weights.half_life_days:g} is not a number above 0"


def _attribute_faults(manifest: Manifest) -> Iterator[str]:
    yield from _unique("items.numeric", manifest.items.numeric)
    for position, name in enumerate(manifest.items.numeric):
        if not name.isprintable() or not 1 <= len(name.encode()) <= MAX_ATTRIBUTE_BYTES:
            yield f"items.numeric[{position}]: {name!r:.80} is not 1..{MAX_ATTRIBUTE_BYTES} bytes of printable text"


def _space_faults(manifest: Manifest) -> Iterator[str]:
    yield from _count("spaces", len(manifest.spaces), 0)
    names = [space.name for space in manifest.spaces]
    yield from _names("spaces", names)
    for position, space in enumerate(manifest.spaces):
        field = f"spaces[{position}]"
        if not space.metric or space.metric not in Metric.values():
            yield f"{field}.metric: {space.metric} is not a metric"
        yield from _in_range(f"{field}.dimensions", space.dimensions, 1, MAX_DIMENSIONS)


def _source_faults(manifest: Manifest) -> Iterator[str]:
    yield from _count("sources", len(manifest.sources), 1)
    yield from _names("sources", [source.name for source in manifest.sources])
    for position, source in enumerate(manifest.sources):
        field = f"sources[{position}]"
        if source.name == RANKER:
            yield f"{field}.name: {RANKER!r} is the name of the ranker"
        if not source.WhichOneof("kind"):
            yield f"{field}: {source.name!r} has no kind; there are {', '.join(kind_names())}"
        if not 0.0 <= source.weight <= MAX_WEIGHT:
            yield f"{field}.weight: {source.weight:g} is not in 0..{MAX_WEIGHT:g}"
    if manifest.fallback_source:
        able = [source.name for source in manifest.sources if source.HasField("item_scores")]
        yield from _known("fallback_source", manifest.fallback_source, able, "sources of kind item_scores")


def kind_names() -> list[str]:
    """The kinds of sources that the format has, by their fields in Source.kind."""
    return [field.name for field in Source.DESCRIPTOR.oneofs_by_name["kind"].fields]


def _fusion_faults(manifest: Manifest) -> Iterator[str]:
    fusion = manifest.fusion
    if not fusion.method or fusion.method not in FusionMethod.values():
        yield f"fusion.method: {fusion.method} is not a method of fusion"
    if fusion.normalisation not in Normalisation.values():
        yield f"fusion.normalisation: {fusion.normalisation} is not a normalisation"
    yield from _in_range("num_candidates", manifest.num_candidates, 1, MAX_CANDIDATES)


def _ranker_faults(manifest: Manifest) -> Iterator[str]:
    if not manifest.HasField("ranker"):
        return
    yield from graph_faults("ranker.graph", manifest.ranker.graph, manifest)
    yield from _count("ranker.heads", len(manifest.ranker.heads), 1)
    yield from _names("ranker.heads", [head.name for head in manifest.ranker.heads])
    for position, head in enumerate(manifest.ranker.heads):
        if not -MAX_WEIGHT <= head.weight <= MAX_WEIGHT:
            yield f"ranker.heads[{position}].weight: {head.weight:g} is not in {-MAX_WEIGHT:g}..{MAX_WEIGHT:g}"


def _file_faults(manifest: Manifest) -> Iterator[str]:
    yield from _unique("files", (entry.path for entry in manifest.files))
    for position, entry in enumerate(manifest.files):
        field, path = f"files[{position}]", entry.path
        if not is_plain(path):
            yield f"{field}.path: {path!r:.80} is not a plain relative path inside the package"
        elif path == MANIFEST:
            yield f"{field}.path: {MANIFEST} may not be listed"
        if entry.num_bytes < 0:
            yield f"{field}.num_bytes: {entry.num_bytes} is less than 0"
        if len(entry.sha256) != 64 or not set(entry.sha256) <= set("0123456789abcdef"):
            yield f"{field}.sha256: {entry.sha256!r:.80} is not 64 hexadecimal digits"


def golden_faults(golden: Golden) -> Iterator[str]:
    """What is wrong with golden requests in themselves, each in one line that names the field and the value."""
    if not 0.0 < golden.tolerance <= 1.0:
        yield f"tolerance: {golden.tolerance:g} is not above 0 and at most 1"
    if not golden.requests:
        yield "requests: there is none"
    for position, request in enumerate(golden.requests):
        field = f"requests[{position}]"
        yield from _in_range(f"{field}.k", request.k, 1, 1000)
        yield from _unique(f"{field}.sources", (entry.name for entry in request.sources))
        lists = {f"sources[{place}].list": entry.list for place, entry in enumerate(request.sources)}
        for name, one in {**lists, "fused": request.fused, "ranked": request.ranked}.items():
            if len(one.item_ids) != len(one.scores):
                yield f"{field}.{name}: {len(one.item_ids)} item_ids for {len(one.scores)} scores"
            if not all(map(math.isfinite, one.scores)):
                yield f"{field}.{name}.scores: a score is not finite"


def _names(field: str, names: Sequence[str]) -> Iterator[str]:
    for position, name in enumerate(names):
        yield from _name(f"{field}[{position}].name", name)
    yield from _unique(field, names)


def _name(field: str, name: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{field}: {name!r:.80} is not a name (a letter or digit, then A-Z a-z 0-9 _ . -, at most 128)"


def _unique(field: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{field}: {name!r:.80} is given {count} times"


def _known(field: str, name: str, known: Sequence[str], what: str = "names") -> Iterator[str]:
    if name not in known:
        yield f"{field}: {name!r:.80} is not one of the {what}: {', '.join(known) or '(none)'}"


def _count(field: str, count: int, low: int) -> Iterator[str]:
    if not low <= count <= MAX_PARTS:
        yield f"{field}: {count} entries, not {low}..{MAX_PARTS}"


def _in_range(field: str, value: int, low: int, high: int) -> Iterator[str]:
    if not low <= value <= high:
        yield f"{field}: {value} is not in {low}..{high}"
