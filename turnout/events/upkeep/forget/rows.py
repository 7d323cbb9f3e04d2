"""Somebody's rows in the warehouse: counted, and deleted, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from turnout.events import layout
from turnout.events.identity.tables import LEARNED
from turnout.events.upkeep.forget.mention import mention_pattern
from turnout.events.upkeep.forget.subjects import Catalog, Subjects, condition
from turnout.warehouse import Dialect, Table, Transaction

# Runs one statement with its values; its rows.
Run = Callable[[str, list[Any]], pa.Table]


@dataclass(frozen=True, slots=True)
class Doomed:
    """Rows of a table: where, and the values of that condition."""

    table: Table
    where: str
    values: list[Any]


def doomed(dialect: Dialect, catalog: Catalog, subjects: Subjects) -> list[Doomed]:
    """All rows to delete, in an order in which conditions still find what they look at."""
    events = [*_of_events(dialect, catalog, subjects)]
    return [
        *_of_books(dialect, events),
        *_refused(subjects),
        *events,
        *_learned(dialect, catalog, subjects),
    ]


def count_rows(dialect: Dialect, run: Run, rows: list[Doomed]) -> dict[str, int]:
    """How many rows of each table; tables without any are left out."""
    counts: dict[str, int] = {}
    for each in rows:
        name = dialect.table(each.table.schema, each.table.name)
        found = run(f"SELECT count(*) AS n FROM {name} WHERE {each.where}", each.values)
        label = f"{each.table.schema}.{each.table.name}"
        if number := found["n"][0].as_py():
            counts[label] = counts.get(label, 0) + int(number)
    return counts


def message_ids(dialect: Dialect, run: Run, rows: list[Doomed]) -> pa.Array:
    """The ids of the events among them."""
    found = [pa.array([], pa.string())]
    for each in rows:
        if each.table.name in layout.BASES.values():
            name = dialect.table(each.table.schema, each.table.name)
            ids = run(f"SELECT id FROM {name} WHERE {each.where}", each.values)["id"]
            found.append(ids.combine_chunks().cast(pa.string()))
    return pa.concat_arrays(found)


def delete_rows(dialect: Dialect, transaction: Transaction, rows: list[Doomed]) -> dict[str, int]:
    """Delete them; how many there were of each table."""
    counts: dict[str, int] = {}
    for each in rows:
        for label, number in count_rows(dialect, transaction.execute, [each]).items():
            counts[label] = counts.get(label, 0) + number
        name = dialect.table(each.table.schema, each.table.name)
        transaction.execute(f"DELETE FROM {name} WHERE {each.where}", each.values)
    return counts


def _of_events(dialect: Dialect, catalog: Catalog, subjects: Subjects) -> Iterator[Doomed]:
    for schema in layout.event_schemas(catalog):
        for table in catalog[schema].values():
            if table.column("_source") is None:
                continue
            found = condition(dialect, table, subjects.by_column(table.name))
            if found is not None:
                yield Doomed(table, *found)


def _of_books(dialect: Dialect, events: list[Doomed]) -> Iterator[Doomed]:
    """What the books say about those events: values that did not fit, and repeats."""
    for each in events:
        name = dialect.table(each.table.schema, each.table.name)
        ids = f"SELECT id FROM {name} WHERE {each.where}"
        label = f"{each.table.schema}.{each.table.name}"
        yield Doomed(
            layout.DISCARDS, f"table_name = ? AND row_id IN ({ids})", [label, *each.values]
        )
        if each.table.name in layout.BASES.values():
            yield Doomed(
                layout.DUPLICATES,
                f"schema_name = ? AND id IN ({ids})",
                [each.table.schema, *each.values],
            )


def _refused(subjects: Subjects) -> Iterator[Doomed]:
    pattern = mention_pattern(subjects.persons + subjects.accounts)
    yield Doomed(layout.REJECTED, "regexp_matches(head, ?)", [pattern])


def _learned(dialect: Dialect, catalog: Catalog, subjects: Subjects) -> Iterator[Doomed]:
    """What was learned about them from their events."""
    named = {
        **dict.fromkeys(("user_id", "resolved_user_id"), subjects.users),
        # An alias's former id stands among the anonymous ones, whatever it was.
        **dict.fromkeys(("person", "previous_id", "anonymous_id"), subjects.persons),
        "account_id": subjects.accounts,
    }
    for table in LEARNED:
        if table.name in catalog.get(table.schema, {}):
            found = condition(dialect, table, named)
            if found is not None:
                yield Doomed(table, *found)
