"""Which table a message goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnout.events import layout, naming
from turnout.warehouse import Table

# Track events beyond so many names of a source have rows in `tracks` only.
EVENT_TABLES_MAX = 1_000

# Tables as they are: schema → name → table.
Catalog = Mapping[str, Mapping[str, Table]]
# What a message is routed by: schema, type, and a track's event ('' for other types).
Kind = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """Messages of one schema, type and, for tracks, of one event table's name.

    `has_table` is False for a track whose event has no table of its own.
    """

    number: int
    schema: str
    type: str
    name: str
    has_table: bool


def choose_targets(kinds: Sequence[Kind], catalog: Catalog) -> dict[Kind, Target]:
    """A target for each kind; event names that spell the same table share one."""
    chosen: dict[Kind, Target] = {}
    numbered: dict[Kind, Target] = {}
    tables = {schema: set(known) - set(layout.OWN_COLUMNS) for schema, known in catalog.items()}
    for schema, type_, event in kinds:
        name = naming.event_table(event) if type_ == "track" else ""
        known = tables.setdefault(schema, set())
        has_table = bool(name) and (name in known or len(known) < EVENT_TABLES_MAX)
        if has_table:
            known.add(name)
        number = len(numbered)
        chosen[schema, type_, event] = numbered.setdefault(
            (schema, type_, name), Target(number, schema, type_, name, has_table)
        )
    return chosen


def as_rows(targets: Mapping[Kind, Target]) -> pa.Table:
    """For joining: schema, type, event → target, event_table."""
    text, number = pa.string(), pa.int32()
    names = {"schema": text, "type": text, "event": text, "target": number, "event_table": text}
    rows: list[dict[str, Any]] = [
        dict(zip(names, (*kind, target.number, target.name), strict=True))
        for kind, target in targets.items()
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(names.items())))
