"""What leaves each source by the settings in force, and what is known of what does not.

Made from the settings and from what earlier copies wrote down, so that it needs no source. It
holds names, types, reasons and shares, and never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from turnout import __version__
from turnout.access.secret import PRIVACY_FILE_NAME, secret_key
from turnout.config import FILE_NAME, Config, Source
from turnout.sync.privacy import disclosed
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.personal import looks_personal
from turnout.sync.privacy.scan import FINDINGS, NAMES
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.privacy.treatment import KEEP
from turnout.sync.report.granted import grants_of
from turnout.sync.report.origin import Origin, origin_of
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.state import TableState, read_states
from turnout.warehouse import Table, Warehouse


@dataclass(frozen=True, slots=True)
class Found:
    """Texts of a column that look like such a `kind`: which share of those looked at, and when."""

    kind: str
    share: float
    first_found_at: datetime
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Leaving:
    """A column that is copied. `since` is None before the first copy that treats it so."""

    column: str
    type: str
    treatment: str
    looks: str | None
    reason: str | None
    since: datetime | None
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class TableReport:
    """A table of the selection. `staying` are its other columns; None before the first copy."""

    table: str
    copied_to: str
    mode: str
    rows: int | None
    as_of: datetime | None
    copied_whole_at: datetime | None
    problem: str | None
    where: str
    json_keys: Mapping[str, Sequence[str]]
    history: bool
    deleted_history: str
    person: str
    on_found: str
    leaving: tuple[Leaving, ...]
    staying: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SourceReport:
    """A source: where it is, without any password, and the rights its role needs for all this."""

    name: str
    place: str
    role: str
    schema: str
    keeps_forgotten_out: bool
    forgotten: int
    grants: tuple[str, ...]
    tables: tuple[TableReport, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All sources, when it was made, by which version, and from which settings."""

    made_at: datetime
    version: str
    origin: Origin
    hash_key: str
    sources: tuple[SourceReport, ...]

    @property
    def columns(self) -> int:
        """How many columns leave."""
        return sum(len(table.leaving) for source in self.sources for table in source.tables)


def make_report(
    config: Config, warehouse: Warehouse, *, now: datetime, only: str | None = None
) -> Report:
    """The report of every source, or of one. Raises `ConfigError` for an unreadable selection."""
    secret = secret_key(config.data_folder, PRIVACY_FILE_NAME)
    return Report(
        now,
        __version__,
        origin_of(config.home / FILE_NAME),
        f"k{Keyed(secret).id}",
        tuple(
            _source(name, source, warehouse, config.data_folder)
            for name, source in config.sources.items()
            if only in (None, name)
        ),
    )


def _source(name: str, source: Source, warehouse: Warehouse, data_folder: Path) -> SourceReport:
    parts = urlsplit(source.url)
    selection = selected_tables(name, source) if source.tables else ()
    states = {state.table: state for state in read_states(warehouse, name)}
    since = _rows(warehouse, disclosed.COLUMNS, name, "until IS NULL")
    found = _rows(warehouse, FINDINGS, name, "true")
    return SourceReport(
        name,
        _place(parts),
        parts.username or "",
        source.schema,
        source.suppress,
        Suppressed(data_folder, name).count,
        tuple(grants_of(source, selection)),
        tuple(
            _table(source, selected, states.get(selected.name), since, found)
            for selected in selection
        ),
    )


def _place(parts: SplitResult) -> str:
    """Where it is, without anything that is secret."""
    if parts.scheme == "file":
        return "files"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _table(
    source: Source,
    selected: SelectedTable,
    state: TableState | None,
    since: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> TableReport:
    settings = selected.settings
    shape = state.shape if state else None
    own = [line for line in since if _is_of(line, selected)]
    hits = [line for line in found if _is_of(line, selected)]
    # Selected since the last copy, it is no other column any more.
    staying = None if shape is None else tuple(c for c in shape.others if c not in settings.columns)
    if shape is not None and staying is not None:
        gone = (name for name in shape.columns if name not in settings.columns)
        staying = (*staying, *gone)
    return TableReport(
        selected.label,
        f"{source.schema}.{selected.name}",
        state.mode if state and state.mode else settings.mode,
        state.rows if state and state.copied_whole_at else None,
        state.as_of if state else None,
        state.copied_whole_at if state else None,
        state.problem if state else None,
        settings.where,
        settings.json_keys,
        settings.history,
        settings.deleted_history,
        settings.person,
        settings.on_found,
        tuple(
            _leaving(selected, name, shape.columns[name][1] if shape and name in shape.columns
                     else "", own, hits)
            for name in settings.columns
        ),
        staying,
    )  # fmt: skip


def _leaving(
    selected: SelectedTable,
    name: str,
    type_: str,
    since: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
) -> Leaving:
    settings = selected.settings
    treatment, reason = settings.treat.get(name, KEEP), settings.personal.get(name)
    line = next(
        (
            line
            for line in since
            if (line["column_name"], line["treatment"], line["reason"]) == (name, treatment, reason)
        ),
        None,
    )
    hits = tuple(
        Found(NAMES[hit["kind"]], hit["share"], _utc(hit["first_found_at"]), _utc(hit["run_at"]))
        for hit in found
        if hit["column_name"] == name
    )
    return Leaving(
        name, type_, treatment, looks_personal(name, type_), reason,
        _utc(line["since"]) if line else None, hits,
    )  # fmt: skip


def _rows(warehouse: Warehouse, table: Table, source: str, where: str) -> list[dict[str, Any]]:
    if not any(there.name == table.name for there in warehouse.tables(table.schema)):
        return []
    name = warehouse.dialect.table(table.schema, table.name)
    rows: list[dict[str, Any]] = warehouse.query(
        f"SELECT * FROM {name} WHERE source = ? AND {where}", [source]
    ).to_pylist()
    return rows


def _is_of(line: Mapping[str, Any], selected: SelectedTable) -> bool:
    return (line["schema_name"], line["table_name"]) == (selected.schema, selected.name)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)
