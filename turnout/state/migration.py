"""Bringing the state database to the newest shape, one numbered migration after another."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from turnout.state.database import State

FOLDER = Path(__file__).parent / "migrations"


def migrate(state: State, revision: str = "head") -> None:
    """Upgrade to `revision`. Harmless to repeat; one process does it before the others start."""
    alembic = AlembicConfig()
    alembic.set_main_option("script_location", str(FOLDER))
    alembic.set_main_option("path_separator", "os")
    with state.begin() as connection:
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, revision)
