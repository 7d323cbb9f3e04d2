from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from turnout.config import Config, Warehouse
from turnout.errors import ConfigError
from turnout.warehouse import open_warehouse


def test_the_configured_file_is_opened_below_the_home_folder(tmp_path: Path) -> None:
    config = Config(home=tmp_path, warehouse=Warehouse(url="duckdb:data/w.duckdb"))
    open_warehouse(config).close()
    assert (tmp_path / "data" / "w.duckdb").exists()


def test_the_limits_in_force_are_the_configured_ones(tmp_path: Path) -> None:
    settings = Warehouse(url="duckdb:w.duckdb", memory_bytes_max=512 * 1024**2, threads=1)
    warehouse = open_warehouse(Config(home=tmp_path, warehouse=settings))
    try:
        answer = warehouse.query(
            "SELECT current_setting('memory_limit') AS memory, current_setting('threads') AS n"
        )
        assert answer.to_pylist() == [{"memory": "512.0 MiB", "n": 1}]
    finally:
        warehouse.close()


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    config = Config(home=tmp_path)
    other = msgspec.structs.replace(config, warehouse=Warehouse(url="abacus:beads"))
    with pytest.raises(ConfigError, match="no engine 'abacus'"):
        open_warehouse(other)


def test_the_engine_is_imported_only_when_it_is_opened() -> None:
    script = "import sys, turnout.warehouse; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
