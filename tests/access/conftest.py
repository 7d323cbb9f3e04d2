"""An empty state database, and the time everything here happens at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from turnout.state import State, migrate, open_state


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 4, 12, 3, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(state)
    yield state
    state.dispose()
