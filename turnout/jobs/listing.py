"""The copied databases, as a list for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnout.config import Config
from turnout.events.upkeep.upkeep import Report
from turnout.sync.standing import Standing
from turnout.warehouse import Warehouse
from turnout.web.copies import Database, databases_of


def list_sources(config: Config, warehouse: Warehouse, standings: Mapping[str, Standing]) -> Report:
    """How each source and each of its tables is now."""
    found = databases_of(config.sources, warehouse, standings)
    return Report("", {"sources": [_source(database) for database in found]})


def _source(database: Database) -> dict[str, Any]:
    next_at, as_of = database.standing.next_at, database.as_of
    return {
        "name": database.name,
        "state": database.state,
        "schema": database.source.schema,
        "schedule": database.schedule,
        "as_of": as_of.isoformat() if as_of else None,
        "next_at": next_at.isoformat() if next_at else None,
        "problem": database.problem,
        "tables": [
            {
                "table": table.label,
                "rows": table.rows,
                "mode": table.mode,
                "as_of": table.as_of.isoformat() if table.as_of else None,
                "problem": table.problem,
            }
            for table in database.tables
        ],
    }
