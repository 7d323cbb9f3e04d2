from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from turnout.config import load_config
from turnout.demo import configuration
from turnout.demo.configuration import write_settings
from turnout.demo.rows import SELECTION

URL = "postgresql://turnout_reader:secret@127.0.0.1:5001/app"


def test_the_settings_written_are_valid_and_select_what_the_demo_selects(tmp_path: Path) -> None:
    write_settings(tmp_path, URL)
    config = load_config(tmp_path, {})
    assert config.sources["app"].url == URL
    tables = config.sources["app"].tables
    assert {name: tuple(table.columns) for name, table in tables.items()} == SELECTION
    assert {"email", "full_name"}.isdisjoint(tables["person"].columns)


def test_the_file_with_the_password_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_settings(tmp_path, URL)
    assert stat.S_IMODE((tmp_path / "turnout.toml").stat().st_mode) == 0o600


def test_what_somebody_changed_stays_and_only_the_followers_address_is_kept_true(
    tmp_path: Path,
) -> None:
    write_settings(tmp_path, URL)
    path = tmp_path / "turnout.toml"
    path.write_text(path.read_text().replace("every_s = 15", "every_s = 99  # mine"))
    write_settings(tmp_path, URL.replace("5001", "5002"))
    assert "every_s = 99  # mine" in path.read_text()
    assert load_config(tmp_path, {}).sources["app"].url == URL.replace("5001", "5002")


def test_busy_ports_are_left_to_whoever_has_them(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert configuration._free_port(port) != port
    assert configuration._free_port(port) == port
    assert configuration._free_port(port, taken=port) != port


def test_the_file_is_what_a_newcomer_reads(
    golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever else runs on this machine.
    monkeypatch.setattr(configuration, "_free_port", lambda port, taken=0: port)
    golden("demo-turnout.toml", configuration._text(URL, (8100, 8101)))
