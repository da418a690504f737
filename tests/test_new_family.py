"""A family that no production file knows goes the whole way: trained, verified, evaluated, served and explained."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import shortlist
from shortlist.package import read_manifest
from tests.demo_run import run_shortlist
from tests.processes import start_process
from tests.training.shop import shop_events, write_events, write_items

ROOT = Path(__file__).parent.parent
RECIPE = "tests.training.models.next_item:recipe"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    write_events(directory, shop_events())
    return write_items(directory)


@pytest.fixture(scope="module")
def package(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("new-family") / "package"
    finished = run_shortlist("train", "--recipe", RECIPE, "--data", str(shop), "--out", str(out), cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    return out


@pytest.fixture(scope="module")
def client(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[shortlist.Client]:
    state = tmp_path_factory.mktemp("state")
    command = [
        sys.executable,
        "-m",
        "shortlist_server",
        "--package",
        str(package),
        "--state",
        str(state),
        "--port",
        "0",
    ]
    process = start_process(command)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving "), process.stderr.read()
        with shortlist.Client(line.split(" on ")[1].strip(), timeout_s=30) as connected:
            yield connected
    finally:
        process.terminate()
        process.communicate()


def test_it_is_exported_under_the_names_of_the_recipe_with_what_was_chosen(package: Path) -> None:
    entry = read_manifest(package)
    assert [source.name for source in entry.sources] == ["next", "smooth"]
    assert {source.WhichOneof("kind") for source in entry.sources} == {"item_matrix"}
    smooth = entry.sources[1].training.fields
    assert smooth["settings"].struct_value.fields["smoothing"].number_value in (5.0, 20.0)
    assert not entry.HasField("ranker")
    assert not entry.spaces


def test_it_is_verified_and_evaluated(package: Path, shop: Path, tmp_path: Path) -> None:
    verified = run_shortlist("package", "verify", str(package))
    assert verified.returncode == 0, verified.stderr
    report = tmp_path / "report.json"
    judged = run_shortlist("evaluate", "--package", str(package), "--data", str(shop), "--json", str(report))
    assert judged.returncode == 0, judged.stderr
    results = json.loads(report.read_text("utf-8"))["results"]
    assert {"next", "smooth", "fused", "funnel"} <= results.keys()
    assert all(0 < results[name]["ndcg@10"] <= 1 for name in ("next", "smooth", "funnel"))


def test_it_is_served_and_explained(client: shortlist.Client) -> None:
    reply = client.recommend(history=["lamp-00", "lamp-03"], k=5, explain="full")
    assert len(reply.items) == 5
    assert not reply.degraded
    first = reply.items[0]
    because = [reason for reason in first.reasons if isinstance(reason, shortlist.BecauseOf)]
    assert {one.source for one in because} <= {"next", "smooth"}
    assert because[0].contributions[0].item_id == "lamp-03", "the chain looks at the last item alone"
    found = {reason.source: reason.score for reason in first.reasons if isinstance(reason, shortlist.FoundBy)}
    for one in because:
        parts = sum(contribution.contribution for contribution in one.contributions)
        assert parts == pytest.approx(found[one.source], rel=1e-5)
    assert [reason for reason in first.reasons if isinstance(reason, shortlist.ScoreParts)]


def test_it_knows_similar_items_and_takes_weights_by_its_name(client: shortlist.Client) -> None:
    similar = client.similar_items("lamp-00", k=3, source="smooth")
    assert len(similar.items) == 3
    alone = client.recommend(history=["lamp-03"], k=3, sources={"smooth": 1.0})
    assert len(alone.items) == 3
