"""Files loaded into a source's tables, when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from turnout import sync
from turnout.events.upkeep.upkeep import Report
from turnout.jobs.source import SourceCopy
from turnout.sync.dump.address import Files
from turnout.sync.loading import look_into, source_of_files
from turnout.warehouse import Warehouse


def load_files(
    copy: SourceCopy,
    warehouse: Warehouse,
    parameters: Mapping[str, Any],
    progress: Callable[[sync.Progress], None],
) -> Report:
    """Load the files that `parameters` name: `files`, `table`, `as_of`, `older`."""
    as_of = parameters.get("as_of")
    files = Files(
        [Path(file) for file in parameters["files"]],
        str(parameters.get("table") or ""),
        datetime.fromisoformat(as_of) if as_of else None,
    )
    older = bool(parameters.get("older"))
    remarks = look_into(copy.name, copy.source, files, warehouse, older=older)
    run = copy.copy(progress, whole=True, instead=source_of_files(copy.source, files))
    return Report(
        run.sentence,
        {"rows": run.rows, "problems": dict(run.problems), "remarks": remarks},
        failed=bool(run.problems),
        changed=True,
    )
