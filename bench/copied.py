"""One copy in a process of its own: how long it took, and the most memory it had.

Usage: python -m bench.copied URL WAREHOUSE TABLES, where TABLES is the selection as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import msgspec

from turnout import sync
from turnout.config import Source, TableSelection
from turnout.warehouse.duckdb import DuckDB

SECRET = b"s" * 32
# As `turnout serve` has it on a small machine.
MEMORY_BYTES_MAX = 128 * 1024**2


def main(url: str, path: str, tables: str) -> None:
    """Copy, and print what it took as JSON."""
    selection = msgspec.json.decode(tables, type=dict[str, TableSelection])
    source = Source(url, tables=selection, accept_leader=True, retries=0)
    warehouse = DuckDB(Path(path), memory_bytes_max=MEMORY_BYTES_MAX, threads=2)
    began = time.perf_counter()
    run = sync.copy("bench", source, warehouse, secret=SECRET)
    took_s = time.perf_counter() - began
    if run.problems:
        raise RuntimeError(str(dict(run.problems)))
    print(json.dumps({"took_s": took_s, "rows": run.rows, "peak_bytes": _peak_bytes()}))
    warehouse.close()


def _peak_bytes() -> int:
    """Of this program alone: what `getrusage` says counts whoever started it, too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
