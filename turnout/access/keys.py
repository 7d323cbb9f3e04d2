"""Write keys: each lets an SDK send events to one source, and nothing more."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from turnout.errors import BadRequest, NotFound
from turnout.state import State
from turnout.state.table import write_key

KEY_BYTES = 24
SOURCE_CHARS_MAX = 60
SCHEMA_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Schemas that Turnout fills from elsewhere.
SCHEMAS_TAKEN = frozenset({"turnout", "information_schema", "main", "pg_catalog"})


@dataclass(frozen=True, slots=True)
class WriteKey:
    """`key` lets events in, as from `source`, into the warehouse schema `schema`."""

    key: str
    source: str
    schema: str
    created_at: datetime
    revoked_at: datetime | None


class WriteKeys:
    """The write keys of an installation."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, source: str, schema: str = "analytics") -> WriteKey:
        """A new key for `source`, at once usable.

        Raises `BadRequest` when the name of the source or of the schema cannot be used.
        """
        source = source.strip()
        if not 0 < len(source) <= SOURCE_CHARS_MAX or not source.isprintable():
            raise BadRequest(f"A source's name has 1 to {SOURCE_CHARS_MAX} printable characters.")
        if not SCHEMA_PATTERN.fullmatch(schema) or schema in SCHEMAS_TAKEN:
            raise BadRequest(
                f"'{schema}' cannot be a schema for events.",
                hint="Use small letters, digits and underscores, such as 'analytics'.",
            )
        key = WriteKey(secrets.token_urlsafe(KEY_BYTES), source, schema, datetime.now(UTC), None)
        with self._state.begin() as connection:
            connection.execute(
                write_key.insert().values(
                    key=key.key, source=key.source, schema=key.schema, created_at=key.created_at
                )
            )
        return key

    def list(self) -> list[WriteKey]:
        """Every key ever made, oldest first."""
        with self._state.connect() as connection:
            rows = connection.execute(sa.select(write_key).order_by(write_key.c.created_at))
            return [WriteKey(**row) for row in rows.mappings()]

    def active(self) -> dict[str, WriteKey]:
        """The keys that let events in, by key."""
        return {key.key: key for key in self.list() if key.revoked_at is None}

    def revoke(self, key: str) -> None:
        """Let nothing in by `key` any more. Harmless to repeat; `NotFound` for no key of ours."""
        with self._state.begin() as connection:
            found = connection.execute(
                write_key.update()
                .where(write_key.c.key == key)
                .values(revoked_at=sa.func.coalesce(write_key.c.revoked_at, datetime.now(UTC)))
            ).rowcount
        if not found:
            raise NotFound("There is no such write key.")
