"""The committed code is what the contract generates, and it imports as the client and the server expect."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[2] / "protos"
SERVICES = {
    "recommendation": "RecommendationService",
    "search": "SearchService",
    "event": "EventService",
    "catalog": "CatalogService",
    "package": "PackageService",
}


def check(protos: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(protos / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied_protos(tmp_path: Path) -> Path:
    """A copy of the contract, its generated code and the generator, to break."""
    shutil.copytree(PROTOS / "shortlist" / "v1", tmp_path / "shortlist" / "v1")
    shutil.copy(PROTOS / "generate.py", tmp_path)
    return tmp_path


def test_committed_code_is_fresh() -> None:
    finished = check(PROTOS)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_check_names_a_changed_a_missing_and_a_left_over_file(copied_protos: Path) -> None:
    package = copied_protos / "shortlist" / "v1"
    (package / "event_pb2.pyi").write_text("edited by hand\n")
    (package / "search_pb2_grpc.py").unlink()
    (package / "gone_pb2.py").write_text("")
    finished = check(copied_protos)
    assert finished.returncode == 1
    assert finished.stdout.splitlines() == [
        f"stale: protos/shortlist/v1/{name}" for name in ("event_pb2.pyi", "gone_pb2.py", "search_pb2_grpc.py")
    ]


def test_check_notices_a_changed_contract(copied_protos: Path) -> None:
    proto = copied_protos / "shortlist" / "v1" / "tensor.proto"
    proto.write_text(proto.read_text().replace("DATA_TYPE_INT64 = 2", "DATA_TYPE_INT64 = 3"))
    finished = check(copied_protos)
    assert finished.returncode == 1
    assert "stale: protos/shortlist/v1/tensor_pb2.py\n" in finished.stdout


@pytest.mark.parametrize(("module", "service"), SERVICES.items())
def test_every_service_has_stub_and_servicer(module: str, service: str) -> None:
    generated = importlib.import_module(f"shortlist.v1.{module}_pb2_grpc")
    for name in (f"{service}Stub", f"{service}Servicer", f"add_{service}Servicer_to_server"):
        assert callable(getattr(generated, name))
