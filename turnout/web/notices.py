"""Notices: what the operator, the demo or the site itself has to say on the home page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from turnout.clips.clip import Clip
from turnout.state import State
from turnout.state.table import notice

BROKEN = "broken clip "


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence, and a progress bar when `total` is not zero."""

    name: str
    text: str
    done: int
    total: int
    updated_at: datetime


def notices(state: State) -> list[Notice]:
    """What is to be said now, oldest first."""
    with state.connect() as connection:
        rows = connection.execute(sa.select(notice).order_by(notice.c.updated_at))
        return [Notice(**row) for row in rows.mappings()]


def tell_broken(state: State, clip: Clip, *, now: datetime) -> None:
    """Tell the owner that somebody opened `clip` by a link and it could not be computed."""
    name = _name(clip)
    with state.begin() as connection:
        if connection.execute(sa.select(notice.c.name).where(notice.c.name == name)).first():
            return
        text = f"“{clip.title}” is broken: it was opened by a share link and could not be computed."
        connection.execute(
            notice.insert().values(name=name, text=text, done=0, total=0, updated_at=now)
        )


def forget_broken(state: State, clip: Clip) -> None:
    """The clip answers again."""
    name = _name(clip)
    with state.connect() as connection:
        if not connection.execute(sa.select(notice.c.name).where(notice.c.name == name)).first():
            return
    with state.begin() as connection:
        connection.execute(notice.delete().where(notice.c.name == name))


def _name(clip: Clip) -> str:
    return BROKEN + clip.id
