from __future__ import annotations

import adbc_driver_manager
import psycopg
import pyarrow as pa
import pytest

from turnout.config import TableSelection
from turnout.errors import SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.postgres.errors import code_of, explained, is_repeatable
from turnout.sync.selection import SelectedTable

URL = "postgresql://reader:hidden@db.acme.example/app"
TABLE = SelectedTable("public", "visit", ("id",))
FILTERED = SelectedTable("public", "visit", ("id",), TableSelection(["id"], where="n > 0"))


def said(error: Exception, table: SelectedTable | None = TABLE) -> TurnoutError:
    with pytest.raises(TurnoutError) as raised, explained(URL, table):
        raise error
    assert "hidden" not in str(raised.value)
    assert "secret value" not in str(raised.value)
    return raised.value


def server_says(code: str) -> Exception:
    return psycopg.errors.lookup(code)("a row's secret value")


@pytest.mark.parametrize(
    ("code", "family", "words"),
    [
        ("40001", SourceUnavailable, "cancelled the read to go on replaying"),
        ("57P01", SourceUnavailable, "stopping or starting"),
        ("08006", SourceUnavailable, "the connection broke"),
        ("53300", SourceUnavailable, "no connection or memory to spare"),
        ("57014", SourceUnavailable, "statement_s_max"),
        ("55P03", SourceUnavailable, "locked by another session"),
        ("42501", SourceRefused, "may not be read as a whole"),
        ("42P01", SourceRefused, "is gone or was renamed"),
        ("42703", SourceRefused, "has lost or renamed a column"),
        ("22021", SourceRefused, "text that is not valid"),
        ("22012", SourceRefused, "PostgreSQL's code 22012"),
    ],
)
def test_a_code_says_who_must_act(code: str, family: type[TurnoutError], words: str) -> None:
    error = said(server_says(code))
    assert isinstance(error, family)
    assert words in str(error)
    assert "'visit'" in str(error)


def test_a_conflict_with_replay_says_what_would_help() -> None:
    assert "hot_standby_feedback" in str(said(server_says("40001")))


@pytest.mark.parametrize("code", ["42601", "42703", "22012", "22P02"])
def test_a_condition_is_named_as_what_may_be_wrong(code: str) -> None:
    assert "its `where`" in str(said(server_says(code), FILTERED))


def test_a_missing_right_is_none_of_the_conditions() -> None:
    assert "may not be read" in str(said(server_says("42501"), FILTERED))


@pytest.mark.parametrize(
    "error",
    [
        adbc_driver_manager.OperationalError(
            "no connection to the server\n\nQuery was: SELECT 'a secret value'",
            status_code=adbc_driver_manager.AdbcStatusCode.IO,
        ),
        OSError("[libpq] the connection ended"),
        pa.ArrowInvalid("[libpq] ERROR: canceling statement due to conflict with recovery"),
    ],
)
def test_what_says_no_code_is_taken_for_a_broken_connection(error: Exception) -> None:
    assert isinstance(said(error), SourceUnavailable)


def test_what_ended_the_snapshot_is_not_read_again_within_it() -> None:
    assert not is_repeatable(code_of(pa.ArrowInvalid("due to conflict with recovery")))
    assert not is_repeatable(code_of(server_says("40001")))
    assert is_repeatable(code_of(server_says("57014")))
    assert is_repeatable(code_of(server_says("57P01")))
    assert is_repeatable(code_of(OSError("the connection ended")))
    assert not is_repeatable(code_of(server_says("42501")))
