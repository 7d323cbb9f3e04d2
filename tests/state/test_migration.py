from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from turnout.state import State, migrate, open_state
from turnout.state.table import metadata, person


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    yield state
    state.dispose()


def difference(state: State) -> list[object]:
    """What a next migration would have to change."""
    with state.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_an_empty_database_becomes_exactly_the_tables_of_the_code(state: State) -> None:
    assert difference(state) != []
    migrate(state)
    assert difference(state) == []


def test_migrating_again_changes_nothing_and_keeps_what_is_there(state: State) -> None:
    migrate(state)
    row = {"name": "Alice", "role": "owner", "password_hash": "x", "created_at": sa.func.now()}
    with state.begin() as connection:
        connection.execute(sa.insert(person).values(row))
    migrate(state)
    assert difference(state) == []
    with state.connect() as connection:
        assert connection.execute(sa.select(person.c.name)).scalars().all() == ["Alice"]
