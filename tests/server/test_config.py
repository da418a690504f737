"""Settings: where they come from, who wins, and what a wrong one says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import TypeAlias

import pytest

from shortlist_server import config
from shortlist_server.config import Limits, Settings, load_settings

WriteConfig: TypeAlias = Callable[[str], Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    def write(text: str) -> Path:
        file = tmp_path / "server.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_defaults_stay_on_this_machine() -> None:
    settings = load_settings(None, {"package": Path("somewhere")})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8500, 1)
    assert settings.limits == Limits()


def test_the_file_wins_over_defaults_and_flags_over_the_file(write_config: WriteConfig) -> None:
    file = write_config('package = "from-file"\nport = 9000\nstate = "events"\n[limits]\nmax_batch_rows = 50\n')
    settings = load_settings(file, {"port": 9001, "package": None, "workers": 2})
    assert settings.package == Path("from-file")
    assert settings.state == Path("events")
    assert (settings.port, settings.workers, settings.limits.max_batch_rows) == (9001, 2, 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown key 'prot', did you mean 'port'?"),
        ("[limits]\nmax_items = 1", "unknown key 'limits.max_items'"),
        ("[limits]\nmax_batch_rows = 0", "limits.max_batch_rows: input should be greater than or equal to 1, got 0"),
        ("port = 70000", "port: input should be less than or equal to 65535, got 70000"),
        ('port = "8500"', "port: input should be a valid integer, got '8500'"),
        ("port = true", "port: input should be a valid integer, got True"),
        ('device = "tpu"', "device: input should be 'cpu' or 'cuda', got 'tpu'"),
        ("drain_seconds = nan", "drain_seconds: input should be less than or equal to 3600, got nan"),
        ("port = ", "not TOML: Invalid value"),
    ],
)
def test_a_wrong_file_names_itself_the_key_and_the_value(write_config: WriteConfig, text: str, message: str) -> None:
    file = write_config(text)
    with pytest.raises(ValueError) as refusal:
        load_settings(file, {"package": Path("p")})
    assert str(refusal.value).startswith(f"{file}: {message}")
    assert "\n" not in str(refusal.value)


def test_a_wrong_flag_does_not_blame_the_file(write_config: WriteConfig) -> None:
    with pytest.raises(ValueError, match=r"^workers: input should be greater than or equal to 1, got 0$"):
        load_settings(write_config('package = "p"'), {"workers": 0})


def test_a_model_repository_is_refused_rather_than_ignored() -> None:
    with pytest.raises(ValueError, match=r"^models: 'repository': this version serves the models of its package only"):
        load_settings(None, {"package": Path("p"), "models": Path("repository")})


def test_a_package_must_be_given() -> None:
    with pytest.raises(ValueError, match=r"^package: must be given"):
        load_settings(None, {})


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.toml: No such file"):
        load_settings(tmp_path / "no.toml", {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
def test_a_public_address_needs_a_word_of_consent(host: str) -> None:
    with pytest.raises(ValueError, match=f"host: '{host}' is reachable from other machines"):
        load_settings(None, {"package": Path("p"), "host": host})
    with pytest.raises(ValueError, match="give --allow-plaintext"):
        load_settings(None, {"package": Path("p"), "host": host})
    assert load_settings(None, {"package": Path("p"), "host": host, "allow_plaintext": True}).host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.53", "::1", "[::1]"])
def test_loopback_needs_none(host: str) -> None:
    assert load_settings(None, {"package": Path("p"), "host": host}).host == host


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(None, {"package": Path("p")})
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("workers", "expected"), [(1, 12), (2, 6), (5, 2), (12, 1), (40, 1)])
def test_workers_share_the_cores(workers: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "available_cores", lambda: 12)
    assert Settings(package=Path("p"), workers=workers).threads_per_worker == expected


def test_a_number_of_threads_that_was_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "available_cores", lambda: 12)
    assert Settings(package=Path("p"), workers=4, threads=7).threads_per_worker == 7
