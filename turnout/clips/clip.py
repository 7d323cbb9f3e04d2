"""Clips: saved SQL with a title and an address. Every save that changes something is a version."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from turnout.errors import BadRequest, NotFound
from turnout.state import State
from turnout.state.table import clip as clips
from turnout.state.table import clip_version as versions

TITLE_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 10_000
SQL_BYTES_MAX = 100_000

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 8
ID_SHAPE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip in one version, by default its newest. `changed_at` is when that was saved."""

    id: str
    title: str
    description: str
    sql: str
    version: int
    author: str
    pinned: bool
    position: int
    created_at: datetime
    changed_at: datetime
    # The clip it was copied from, and that one's version then.
    origin: str | None = None
    origin_version: int | None = None


class Clips:
    """All clips of this installation."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(  # noqa: PLR0913 - the fields of a clip
        self,
        title: str,
        sql: str,
        *,
        description: str = "",
        author: str,
        pinned: bool = False,
        id: str | None = None,  # noqa: A002 - the field's name
        origin: Clip | None = None,
        now: datetime,
    ) -> Clip:
        """Keep a new clip, last in order, copied from `origin` where there is one.

        Raises `BadRequest` for what cannot be kept.
        """
        content = _content(title, sql, description)
        clip_id = _new_id() if id is None else _checked_id(id)
        with self._state.begin() as connection:
            if connection.scalar(sa.select(clips.c.id).where(clips.c.id == clip_id)) is not None:
                raise BadRequest(f"There already is a clip '{clip_id}'.", hint="Choose another id.")
            last = connection.scalar(sa.select(sa.func.max(clips.c.position)))
            connection.execute(
                clips.insert().values(
                    id=clip_id,
                    position=(last or 0) + 1,
                    pinned=pinned,
                    created_at=now,
                    origin=origin and origin.id,
                    origin_version=origin and origin.version,
                )
            )
            _add_version(connection, clip_id, version=1, author=author, created_at=now, **content)
        return self.find(clip_id)

    def save(  # noqa: PLR0913 - the fields of a clip
        self,
        id: str,  # noqa: A002 - the field's name
        *,
        title: str,
        sql: str,
        description: str,
        author: str,
        now: datetime,
    ) -> Clip:
        """Make this the newest version; when nothing changed, none is made."""
        content = _content(title, sql, description)
        with self._state.begin() as connection:
            newest = _find(connection, id)
            before = {"title": newest.title, "sql": newest.sql, "description": newest.description}
            if content != before:
                _add_version(
                    connection,
                    id,
                    version=newest.version + 1,
                    author=author,
                    created_at=now,
                    **content,
                )
        return self.find(id)

    def find(self, id: str) -> Clip:  # noqa: A002 - the field's name
        """The clip in its newest version. Raises `NotFound`."""
        with self._state.connect() as connection:
            return _find(connection, id)

    def versions(self, id: str) -> list[Clip]:  # noqa: A002 - the field's name
        """Every version, newest first. Raises `NotFound`."""
        with self._state.connect() as connection:
            _find(connection, id)
            rows = connection.execute(
                _all().where(clips.c.id == id).order_by(versions.c.version.desc())
            )
            return [Clip(**row._mapping) for row in rows]  # noqa: SLF001 - the documented way

    def pin(self, id: str, *, pinned: bool) -> Clip:  # noqa: A002 - the field's name
        """Show the clip among the first, or no longer."""
        with self._state.begin() as connection:
            _find(connection, id)
            connection.execute(clips.update().where(clips.c.id == id).values(pinned=pinned))
        return self.find(id)

    def archive(self, id: str, *, now: datetime) -> None:  # noqa: A002 - the field's name
        """Take the clip out of every list; its address then leads nowhere."""
        with self._state.begin() as connection:
            _find(connection, id)
            connection.execute(clips.update().where(clips.c.id == id).values(archived_at=now))

    def list(self) -> list[Clip]:
        """Every clip that is not archived, pinned ones first, each group by position."""
        with self._state.connect() as connection:
            rows = connection.execute(
                _newest().order_by(clips.c.pinned.desc(), clips.c.position, clips.c.id)
            )
            return [Clip(**row._mapping) for row in rows]  # noqa: SLF001 - the documented way


def _content(title: str, sql: str, description: str) -> dict[str, str]:
    """The three texts of a version, trimmed and checked."""
    title, sql, description = " ".join(title.split()), sql.strip(), description.strip()
    if not title:
        raise BadRequest("A clip needs a title.", hint="Name the question it answers.")
    if len(title) > TITLE_LENGTH_MAX:
        raise BadRequest(f"The title is longer than {TITLE_LENGTH_MAX} characters.")
    if not sql:
        raise BadRequest("A clip needs a query.", hint="Write one SELECT statement.")
    if len(sql.encode("utf-8", "surrogatepass")) > SQL_BYTES_MAX:
        raise BadRequest(f"The query is longer than {SQL_BYTES_MAX // 1000} KB.")
    if len(description) > DESCRIPTION_LENGTH_MAX:
        raise BadRequest(f"The description is longer than {DESCRIPTION_LENGTH_MAX:,} characters.")
    for name, text in (("title", title), ("query", sql), ("description", description)):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise BadRequest(f"The {name} holds a character that no text may hold.")
    return {"title": title, "sql": sql, "description": description}


def _checked_id(text: str) -> str:
    if not ID_SHAPE.fullmatch(text):
        raise BadRequest(
            f"'{text}' cannot be a clip's id.",
            hint="Use up to 64 lowercase letters, digits and hyphens inside.",
        )
    return text


def _new_id() -> str:
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))


def _add_version(connection: sa.Connection, clip_id: str, **columns: Any) -> None:
    connection.execute(versions.insert().values(clip_id=clip_id, **columns))


def _find(connection: sa.Connection, clip_id: str) -> Clip:
    row = connection.execute(_newest().where(clips.c.id == clip_id)).first()
    if row is None:
        raise NotFound(f"There is no clip '{clip_id}'.")
    return Clip(**row._mapping)  # noqa: SLF001 - the documented way


def _newest() -> sa.Select[Any]:
    newest = (
        sa.select(sa.func.max(versions.c.version))
        .where(versions.c.clip_id == clips.c.id)
        .correlate(clips)
        .scalar_subquery()
    )
    return _all().where(versions.c.version == newest)


def _all() -> sa.Select[Any]:
    """Clips that are not archived, in every version, as the fields of `Clip`."""
    return (
        sa.select(
            clips.c.id,
            versions.c.title,
            versions.c.description,
            versions.c.sql,
            versions.c.version,
            versions.c.author,
            clips.c.pinned,
            clips.c.position,
            clips.c.created_at,
            versions.c.created_at.label("changed_at"),
            clips.c.origin,
            clips.c.origin_version,
        )
        .join_from(clips, versions, clips.c.id == versions.c.clip_id)
        .where(clips.c.archived_at.is_(None))
    )
