"""A sentence and a bar on the home page while the demo prepares; gone when it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import sqlalchemy as sa

from turnout.state import State
from turnout.state.table import notice

NAME = "demo"


@contextlib.contextmanager
def notice_of(state: State, text: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show `text` and a bar; call what it yields with how much of `total` is done."""

    def show(done: int) -> None:
        with state.begin() as connection:
            connection.execute(sa.delete(notice).where(notice.c.name == NAME))
            connection.execute(
                sa.insert(notice).values(
                    name=NAME, text=text, done=done, total=total, updated_at=datetime.now(UTC)
                )
            )

    show(0)
    try:
        yield show
    finally:
        with state.begin() as connection:
            connection.execute(sa.delete(notice).where(notice.c.name == NAME))
