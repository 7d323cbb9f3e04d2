from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from turnout.state import State, migrate, open_state
from turnout.state.table import person, session

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    state = open_state(f"sqlite:///{path}")
    migrate(state)
    yield state
    state.dispose()


def add(state: State, name: str, at: datetime = NOON) -> int:
    with state.begin() as connection:
        statement = sa.insert(person).values(
            name=name, role="member", password_hash="x", created_at=at
        )
        return int(connection.execute(statement.returning(person.c.id)).scalar_one())


def test_times_come_back_as_aware_utc_whatever_zone_they_came_in(state: State) -> None:
    add(state, "Alice", NOON.astimezone(timezone(timedelta(hours=9))))
    with state.connect() as connection:
        (at,) = connection.execute(sa.select(person.c.created_at)).scalars()
    assert at == NOON
    assert at.tzinfo is UTC


def test_a_reader_is_not_held_up_by_a_writer(state: State, path: Path) -> None:
    add(state, "Alice")
    other = open_state(f"sqlite:///{path}")
    with state.begin() as writing:
        writing.execute(sa.delete(person))
        with other.connect() as reading:
            assert reading.execute(sa.select(person.c.name)).scalars().all() == ["Alice"]
    other.dispose()


def test_what_belongs_to_a_person_goes_with_the_person(state: State) -> None:
    alice = add(state, "Alice")
    with state.begin() as connection:
        connection.execute(
            sa.insert(session).values(
                token_hash="h", person_id=alice, created_at=NOON, expires_at=NOON
            )
        )
        connection.execute(sa.delete(person))
        assert connection.execute(sa.select(session)).all() == []


def test_a_session_of_nobody_is_refused(state: State) -> None:
    statement = sa.insert(session).values(
        token_hash="h", person_id=99, created_at=NOON, expires_at=NOON
    )
    with pytest.raises(sa.exc.IntegrityError), state.begin() as connection:
        connection.execute(statement)


def test_a_committed_change_survives_a_power_cut(state: State) -> None:
    with state.connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


def test_an_error_keeps_the_values_of_its_statement_to_itself(state: State) -> None:
    statement = sa.text("UPDATE nowhere SET key = :key")
    with pytest.raises(sa.exc.OperationalError) as error, state.begin() as connection:
        connection.execute(statement, {"key": "a write key"})
    assert "a write key" not in str(error.value)
