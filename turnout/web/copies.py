"""What pages say of copied databases: read from `_turnout` and from the process that copies.

Nothing here fails because a table is not there yet: on the first day nothing has happened.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from turnout.config import Source, TableSelection, hide_password
from turnout.errors import ConfigError, TurnoutError
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.standing import Standing
from turnout.warehouse import Warehouse
from turnout.web.rooms import Rooms

PATIENCE_S = 1.5
RUNS_SHOWN = 20
STATE_TABLES = ("sync_runs", "sync_tables", "sync_findings")


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """One selected table. `rows` is None while it was never copied."""

    label: str
    name: str
    settings: TableSelection
    rows: int | None = None
    mode: str = ""
    as_of: datetime | None = None
    problem: str | None = None
    lost: int = 0
    not_selected: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastRun:
    """One copy that ended: done, partly done or failed."""

    started_at: datetime
    finished_at: datetime
    as_of: datetime | None
    rows: int
    bytes: int
    lag_s: float | None
    error: str | None
    details: Sequence[Mapping[str, Any]] = ()

    @property
    def duration_ms(self) -> int:
        return int((self.finished_at - self.started_at).total_seconds() * 1000)

    @property
    def outcome(self) -> str:
        if self.error is None:
            return "done"
        if any(detail.get("family") == "Stopped" for detail in self.details):
            return "stopped"
        return "partly" if self.as_of else "failed"


@dataclass(frozen=True, slots=True)
class Database:
    """One source: what turnout.toml says of it, how it stands, and what became of it so far."""

    name: str
    source: Source
    standing: Standing
    tables: Sequence[CopiedTable]
    runs: Sequence[PastRun] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"/databases/{self.name}"

    @property
    def place(self) -> str:
        """Its address, safe to show."""
        return hide_password(self.source.url).partition("?")[0]

    @property
    def as_of(self) -> datetime | None:
        """The age of its oldest table that was ever copied."""
        ages = [table.as_of for table in self.tables if table.as_of]
        return min(ages) if ages else next((run.as_of for run in self.runs if run.as_of), None)

    @property
    def problem(self) -> str | None:
        """Why the last try failed, when it did."""
        if self.standing.problem:
            return self.standing.problem
        return self.last.error if self.last else None

    @property
    def last(self) -> PastRun | None:
        """The last run that ended by itself: one that was stopped says nothing of the source."""
        return next((run for run in self.runs if run.outcome != "stopped"), None)

    @property
    def tried_at(self) -> datetime | None:
        """When the last try ended."""
        return self.last.finished_at if self.last else self.standing.failed_at

    @property
    def state(self) -> str:
        """One word for how it is."""
        if self.standing.began_at:
            return "copying"
        if self.problem:
            is_partly = self.last and self.last.as_of and not self.standing.problem
            return "partly copied" if is_partly else "not copied"
        return "copied" if self.as_of else "waiting"

    @property
    def schedule(self) -> str:
        """When it is copied, in words."""
        if self.source.cron:
            return f"at {self.source.cron} ({self.source.time_zone})"
        return f"every {_every(self.source.every_s)}"


async def read_databases(rooms: Rooms) -> list[Database] | None:
    """All copied databases; None when the warehouse is too busy to say it quickly."""
    try:
        return await asyncio.wait_for(
            asyncio.to_thread(
                databases_of, rooms.config.sources, rooms.warehouse, rooms.standings()
            ),
            PATIENCE_S,
        )
    except (TimeoutError, TurnoutError):
        return None


def databases_of(
    sources: Mapping[str, Source], warehouse: Warehouse, standings: Mapping[str, Standing]
) -> list[Database]:
    """The sources as they are now; `standings` are those of the process that copies them."""
    there = {table.name for table in warehouse.tables("_turnout")}
    found = {name: _rows(warehouse, name) for name in STATE_TABLES if name in there}
    return [
        Database(
            name,
            source,
            standings.get(name, Standing()),
            _tables(warehouse, name, source, found),
            _runs(found.get("sync_runs", ()), name),
        )
        for name, source in sources.items()
    ]


def _rows(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    """What is kept of all sources; of their runs the newest of each."""
    sql = f"SELECT * FROM {warehouse.dialect.table('_turnout', table)}"
    if table == "sync_runs":
        sql = (
            "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY source "
            f"ORDER BY finished_at DESC) AS _place FROM ({sql}) AS runs) AS placed "
            f"WHERE _place <= {RUNS_SHOWN} ORDER BY finished_at DESC"
        )
    rows: list[dict[str, Any]] = warehouse.query(sql).to_pylist()
    return rows


def _runs(rows: Sequence[Mapping[str, Any]], source: str) -> list[PastRun]:
    return [
        PastRun(
            started_at=_known(row.get("started_at") or row["finished_at"]),
            finished_at=_known(row["finished_at"]),
            as_of=_utc(row["as_of"]),
            rows=row.get("rows") or 0,
            bytes=row.get("bytes") or 0,
            lag_s=row.get("lag_s"),
            error=row["error"],
            details=json.loads(row.get("details") or "[]"),
        )
        for row in rows
        if row["source"] == source
    ]


def _tables(
    warehouse: Warehouse,
    source: str,
    settings: Source,
    found: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[CopiedTable]:
    states = {
        row["table_name"]: row for row in found.get("sync_tables", ()) if row["source"] == source
    }
    selected = _selected(source, settings)
    missing = [table.name for table in selected if table.name not in states]
    counted = _counted(warehouse, settings.schema, missing)
    return [
        _table(table, states.get(table.name), counted.get(table.name), found, source)
        for table in sorted(selected, key=lambda table: table.label)
    ]


def _selected(source: str, settings: Source) -> Sequence[SelectedTable]:
    try:
        return selected_tables(source, settings)
    except ConfigError:  # said where it is copied; here the others are shown all the same
        return ()


def _table(
    selected: SelectedTable,
    state: Mapping[str, Any] | None,
    counted: int | None,
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    source: str,
) -> CopiedTable:
    findings = tuple(
        f"{row['share']:.0%} of {row['column_name']} look like {row['kind']}"
        for row in found.get("sync_findings", ())
        if (row["source"], row["table_name"]) == (source, selected.name)
    )
    if state is None:
        return CopiedTable(
            selected.label, selected.name, selected.settings, counted, findings=findings
        )
    is_there = state["as_of"] is not None
    return CopiedTable(
        label=selected.label,
        name=selected.name,
        settings=selected.settings,
        rows=state["rows"] if is_there else None,
        mode=state["mode"] or "",
        as_of=_utc(state["as_of"]),
        problem=state["problem"],
        lost=sum(json.loads(state["lost"] or "{}").values()),
        not_selected=tuple(json.loads(state["not_selected"] or "[]")),
        findings=findings,
    )


def _counted(warehouse: Warehouse, schema: str, names: Sequence[str]) -> dict[str, int]:
    """Rows of tables that an older version copied, which kept no count."""
    there = {table.name for table in warehouse.tables(schema)} if names else set()
    dialect = warehouse.dialect
    counts = [
        f"SELECT {dialect.literal(name)} AS name, count(*) AS rows "
        f"FROM {dialect.table(schema, name)}"
        for name in sorted(there & set(names))
    ]
    rows = warehouse.query(" UNION ALL ".join(counts)).to_pylist() if counts else []
    return {row["name"]: row["rows"] for row in rows}


def _every(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            number = int(seconds // size)
            return unit if number == 1 else f"{number} {unit}s"
    return f"{seconds:g} seconds"


def _utc(moment: datetime | None) -> datetime | None:
    return _known(moment) if moment else None


def _known(moment: datetime) -> datetime:
    """The warehouse keeps UTC without saying so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
