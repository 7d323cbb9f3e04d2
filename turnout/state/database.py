"""Opening the state database. SQLite by default; everything above speaks SQLAlchemy Core."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

State: TypeAlias = sa.Engine


def open_state(url: str) -> State:
    """An engine for `url`. Several processes may hold the same SQLite file open."""
    # An error tells its statement's values otherwise, and they are keys and hashes of tokens.
    engine = sa.create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL lets the collector read keys while the app writes; FULL keeps a committed change
    # through a power cut; what is deleted or overwritten is also gone from the file.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
