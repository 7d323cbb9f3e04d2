"""Which table a message goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from turnout.events import naming, reserved
from turnout.warehouse import Table

# Track events beyond so many names of a source have rows in `tracks` only.
EVENT_TABLES_MAX = 1_000

# Tables as they are: schema → name → table.
Catalog = Mapping[str, Mapping[str, Table]]
# What a message is routed by: schema, type, a track's event ('' for other types), and its route.
Kind = tuple[str, str, str, int]


@dataclass(slots=True)
class Target:
    """Messages of one schema, type and, for tracks, of one event table's name.

    `has_table` is False for a track whose event has no table of its own.
    """

    schema: str
    type: str
    name: str
    has_table: bool
    routes: list[int] = field(default_factory=list)


def choose_targets(kinds: Sequence[Kind], catalog: Catalog) -> list[Target]:
    """A target for each kind; event names that spell the same table share one."""
    targets: dict[tuple[str, str, str], Target] = {}
    tables = {schema: set(known) - reserved.TABLES for schema, known in catalog.items()}
    for schema, type_, event, route in kinds:
        name = naming.event_table(event) if type_ == "track" else ""
        known = tables.setdefault(schema, set())
        has_table = bool(name) and (name in known or len(known) < EVENT_TABLES_MAX)
        if has_table:
            known.add(name)
        target = targets.setdefault((schema, type_, name), Target(schema, type_, name, has_table))
        target.routes.append(route)
    return sorted(targets.values(), key=lambda target: (target.schema, target.type, target.name))


def as_rows(targets: Sequence[Target]) -> pa.Table:
    """For joining: route → event_table."""
    pairs = [(route, target.name) for target in targets for route in target.routes]
    return pa.table(
        {
            "route": pa.array([route for route, _ in pairs], pa.uint64()),
            "event_table": pa.array([name for _, name in pairs], pa.string()),
        }
    )
