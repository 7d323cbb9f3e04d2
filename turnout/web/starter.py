"""The SQL a clip is started from: an event by day, or by one of its properties."""

from __future__ import annotations

import re

from turnout.events import layout
from turnout.events.overview.catalog import DAYS, Kind
from turnout.events.reserved import WORDS
from turnout.warehouse import Dialect, Table

PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
GROUPS_MAX = 50


def by_day(kind: Kind, dialect: Dialect) -> str:
    """How often and by how many people, day by day."""
    table, condition = _from(kind, dialect)
    return (
        'SELECT CAST("timestamp" AS DATE) AS day, count(*) AS times, '
        "count(DISTINCT user_id) AS people\n"
        f"FROM {table}\n"
        f"WHERE \"timestamp\" >= current_date - INTERVAL '{DAYS} days'{condition}\n"
        "GROUP BY 1\nORDER BY 1"
    )


def by_property(table: Table, column: str, dialect: Dialect) -> str:
    """How often each value of `column`."""
    name = _name(column, dialect)
    people = "" if _is_people(table) else ", count(DISTINCT user_id) AS people"
    return (
        f"SELECT {name}, count(*) AS times{people}\n"
        f"FROM {_name(table.schema, dialect)}.{_name(table.name, dialect)}\n"
        f"GROUP BY 1\nORDER BY times DESC\nLIMIT {GROUPS_MAX}"
    )


def some_rows(table: Table, dialect: Dialect) -> str:
    """The newest rows."""
    return (
        f"SELECT *\nFROM {_name(table.schema, dialect)}.{_name(table.name, dialect)}\n"
        f'ORDER BY "timestamp" DESC\nLIMIT {GROUPS_MAX}'
    )


def _from(kind: Kind, dialect: Dialect) -> tuple[str, str]:
    """The table a kind is read from, and what else must be true of its rows."""
    schema = _name(kind.schema, dialect)
    if kind.table is not None:
        return f"{schema}.{_name(kind.key, dialect)}", ""
    return f"{schema}.tracks", f"\n  AND event = {dialect.literal(kind.key)}"


def _name(name: str, dialect: Dialect) -> str:
    """Quoted only where it must be: the SQL is there to be read."""
    is_plain = PLAIN.fullmatch(name) and name not in WORDS
    return name if is_plain else dialect.identifier(name)


def _is_people(table: Table) -> bool:
    return table.name in {name for name, _ in layout.LATEST.values()}
