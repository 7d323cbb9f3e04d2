"""Other copiers on the same rows, installed into a folder outside the repository.

Only with `BENCH_PEERS=1`: they bring many packages of their own. One that cannot be installed or
does not finish is passed over with a word.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.company import COLUMNS

WITHIN_S = 1800
CONNECTORX = """
import sys, time, duckdb, connectorx
url, sql, path = sys.argv[1:]
began = time.perf_counter()
rows = connectorx.read_sql(url, sql, return_type="arrow")
duckdb.connect(path).execute("CREATE OR REPLACE TABLE copied AS SELECT * FROM rows")
print(time.perf_counter() - began)
"""
DLT = """
import os, sys, time
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt
from dlt.sources.sql_database import sql_table
url, sql, path = sys.argv[1:]
table, columns = sql.split(" FROM ")[1], sql.split(" FROM ")[0].removeprefix("SELECT ").split(", ")
url = url.replace("postgresql://", "postgresql+psycopg://")
began = time.perf_counter()
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(path), dataset_name="userdata",
                        pipelines_dir=path + "-dlt")
pipeline.run(sql_table(url, table=table, included_columns=columns, backend="pyarrow"),
             write_disposition="replace")
print(time.perf_counter() - began)
"""
# What it is called, what pip installs for it, and the program that copies.
PEERS = {
    "connectorx": (["connectorx", "duckdb", "pyarrow", "pandas"], CONNECTORX),
    "dlt": (["dlt[duckdb]", "sqlalchemy", "numpy", "psycopg[binary]", "pyarrow"], DLT),
}


def peers(url: str, table: str, rows: int) -> Iterator[tuple[str, float]]:
    """Each peer that could do it, and the seconds it took."""
    if not os.environ.get("BENCH_PEERS"):
        return
    sql = f"SELECT {', '.join(COLUMNS[table])} FROM {table}"
    for name, (_, program) in PEERS.items():
        python = _python(name)
        if python is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [str(python), "-c", program, url, sql, str(Path(folder) / "copied.duckdb")]
            try:
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, timeout=WITHIN_S
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                print(f"{name} did not copy {rows:,} {table} rows: {_last(error)}", flush=True)
                continue
        yield name, float(done.stdout.split()[-1])


@cache
def _python(name: str) -> Path | None:
    """The Python of the peer's own environment, made once a run and kept for the next."""
    folder = Path(tempfile.gettempdir()) / f"bench-peer-{name}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", *PEERS[name][0]]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(install, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        print(f"{name} is passed over, it cannot be installed: {_last(error)}", flush=True)
        return None
    ready.touch()
    return python


def _last(error: subprocess.SubprocessError) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return str(said).strip().splitlines()[-1]
