"""What is asked of the running app, followed to its end, and then forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from turnout.state import State, migrate, open_state
from turnout.state.request import Outcome, Requests

SECRET = "q7Zp-Alice-9fK2xW"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(state)
    yield state
    state.dispose()


def test_a_request_waits_runs_and_ends(state: State) -> None:
    requests = Requests(state)
    number = requests.ask("events replay", {"source": "web"})
    [waiting] = requests.waiting()
    assert (waiting.number, waiting.job, waiting.parameters) == (
        number, "events replay", {"source": "web"},
    )  # fmt: skip
    assert requests.note(number, "Rebuilding", 5, 10) is False
    standing = requests.standing(number)
    assert (standing.doing, standing.done, standing.total) == ("Rebuilding", 5, 10)
    assert standing.outcome is None
    requests.finish(number, Outcome(False, "Done.", {"rows": 3}))
    assert requests.waiting() == []
    assert requests.standing(number).outcome == Outcome(False, "Done.", {"rows": 3})


def test_whoever_works_hears_that_it_should_stop(state: State) -> None:
    requests = Requests(state)
    number = requests.ask("events replay")
    requests.stop(number)
    assert requests.note(number, "Rebuilding", 5, 10) is True


def test_after_its_end_no_file_knows_what_it_was_asked_with(state: State, tmp_path: Path) -> None:
    requests = Requests(state)
    number = requests.ask("events forget", {"users": [SECRET]})
    assert any(SECRET.encode() in path.read_bytes() for path in tmp_path.iterdir())
    requests.finish(number, Outcome(False, "Done.", {}))
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path
