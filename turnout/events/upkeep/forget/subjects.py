"""Who is to be forgotten, and the conditions by which rows of theirs are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from turnout.errors import BadRequest
from turnout.events import layout
from turnout.warehouse import Dialect, Table, Warehouse

Catalog = Mapping[str, Mapping[str, Table]]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Ids of users, of devices (anonymous ids) and of accounts."""

    users: tuple[str, ...] = ()
    anonymous: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    @property
    def persons(self) -> tuple[str, ...]:
        return self.users + self.anonymous

    def by_column(self, table: str) -> dict[str, tuple[str, ...]]:
        """The columns of a table that name somebody, with the ids to look for."""
        if table == "users":
            return {"id": self.users}
        if table == "accounts":
            return {"id": self.accounts}
        named = {
            "user_id": self.users,
            "anonymous_id": self.anonymous,
            "context_group_id": self.accounts,
        }
        if table == "groups":
            named["group_id"] = self.accounts
        if table == "aliases":
            named |= {"user_id": self.users, "previous_id": self.persons}
        return named


def subjects_of(parameters: Mapping[str, Any]) -> Subjects:
    """From `users`, `anonymous` and `accounts`; `BadRequest` when they name nobody."""
    ids = {
        kind: tuple(sorted({str(id_).strip() for id_ in parameters.get(kind) or ()} - {""}))
        for kind in ("users", "anonymous", "accounts")
    }
    if not any(ids.values()):
        raise BadRequest(
            "Nobody is named.", hint="Name somebody with --user, --anonymous or --account."
        )
    return Subjects(**ids)


def with_devices(warehouse: Warehouse, catalog: Catalog, subjects: Subjects) -> Subjects:
    """Also the anonymous ids that no one but the users ever had."""
    pairs = [
        f"SELECT anonymous_id AS device, user_id FROM {warehouse.dialect.table(schema, table)}"
        for schema in layout.event_schemas(catalog)
        for table in layout.BASES.values()
    ]
    if not subjects.users or not pairs:
        return subjects
    is_theirs = f"user_id IN ({marks(subjects.users)})"
    found = warehouse.query(
        f"SELECT device FROM ({' UNION ALL '.join(pairs)}) "
        "WHERE device IS NOT NULL AND user_id IS NOT NULL "
        f"GROUP BY device HAVING bool_and({is_theirs})",
        subjects.users,
    )
    devices = {*subjects.anonymous, *found["device"].to_pylist()}
    return replace(subjects, anonymous=tuple(sorted(devices)))


def condition(
    dialect: Dialect, table: Table, named: Mapping[str, tuple[str, ...]]
) -> tuple[str, list[str]] | None:
    """SQL for the rows that name somebody, with its values; None where nobody can be named."""
    parts: list[str] = []
    values: list[str] = []
    for column, ids in named.items():
        if ids and table.column(column) is not None:
            # An account's id may have become a number.
            text = f"CAST({dialect.identifier(column)} AS VARCHAR)"
            parts.append(f"{text} IN ({marks(ids)})")
            values += ids
    return (" OR ".join(parts), values) if parts else None


def marks(ids: tuple[str, ...]) -> str:
    """Placeholders for them."""
    return ", ".join("?" * len(ids))
