"""Attacks on the engine: each fails clearly and changes nothing, and the next query runs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnout.clips.follower import Follower
from turnout.clips.runner import Runner
from turnout.errors import QueryFailed, QueryRefused, QueryTimedOut, QueryTooLarge, TurnoutError

MIB = 1024**2

READS_A_FILE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM read_text('follower.json')",
    "SELECT * FROM read_text('../follower/x.json')",
    "SELECT * FROM read_text('/dev/stdin')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_blob('{own}')",
    "SELECT * FROM '/etc/passwd.csv'",
    "FROM 'file.csv'",
    "FROM 'https://example.com/x.csv'",
    "FROM 'https://example.com/x.parquet'",
    "SELECT * FROM read_duckdb('{own}', table_name='companyperson')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT getenv('HOME')",
]
WRITES_A_FILE = [
    "COPY (SELECT 1) TO '/tmp/turnout-attack.csv'",
    "COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '{own}.wal'",
    "COPY (SELECT 1) TO '{own}.wal.recovery'",
    "EXPORT DATABASE '/tmp/turnout-attack'",
    "IMPORT DATABASE '/tmp/turnout-attack'",
    "WITH x AS (COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)) SELECT * FROM x",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{own}'' ')",
]
OPENS_A_DATABASE = [
    "ATTACH '{own}' AS own",
    "ATTACH '{own}' AS own (READ_WRITE)",
    "ATTACH ':memory:' AS m",
    "ATTACH '/tmp/turnout-attack.duckdb'",
    "DETACH memory",
    "USE analytics",
]
LOADS_CODE = [
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL httpfs",
    "LOAD '/tmp/evil.so'",
    "CREATE SECRET s (TYPE s3)",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
]
CHANGES_SETTINGS = [
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SET memory_limit = '100GB'",
    "SET threads = 64",
    "SET temp_directory = '/tmp'",
    "SET log_query_path = '/tmp/turnout-attack.log'",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output='/tmp/turnout-attack.json'",
    "CALL enable_logging(storage_path = '/tmp/turnout-attack')",
    "SELECT * FROM enable_logging(storage_path = '/tmp/turnout-attack')",
    "SET VARIABLE x = 1",
    "SET disabled_filesystems = ''",
]
WRITES_ROWS = [
    "INSERT INTO userdata.companyperson VALUES ('x', 'y')",
    "UPDATE userdata.companyperson SET company_uuid = 'x'",
    "DELETE FROM userdata.companyperson",
    "TRUNCATE userdata.companyperson",
    "MERGE INTO userdata.companyperson USING (SELECT 1) ON false WHEN MATCHED THEN DELETE",
    "ALTER TABLE userdata.companyperson ADD COLUMN x INTEGER",
    "DROP TABLE userdata.companyperson",
    "COMMENT ON TABLE userdata.companyperson IS 'x'",
    "CREATE TABLE x AS SELECT 1",
    "WITH x AS (DELETE FROM userdata.companyperson RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO userdata.companyperson VALUES ('a', 'b') RETURNING *) FROM x",
    "EXPLAIN ANALYZE DELETE FROM userdata.companyperson",
    "EXPLAIN /* so */ ANALYZE DELETE FROM userdata.companyperson",
    "SELECT nextval('userdata.numbers')",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE p AS SELECT 1",
]
LEAVES_SOMETHING = [
    "CREATE TEMP MACRO count(x) AS 42",
    "CREATE TEMP VIEW companyperson AS SELECT 42",
    "CREATE TEMP TABLE companyperson AS SELECT 42",
]
SEVERAL_STATEMENTS = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE userdata.companyperson",
    "SELECT 1 -- ;\n; DELETE FROM userdata.companyperson",
    "SELECT ';' ; DELETE FROM userdata.companyperson",
    "SELECT 1 /* ; */ ; ATTACH ':memory:' AS m",
    "SELECT 1\u037e DROP TABLE userdata.companyperson",  # a Greek question mark looks like ;
    "",
    "-- only a remark",
]
NAMES_A_VARIABLE = ["SELECT * FROM job", "SELECT * FROM sys", "SELECT * FROM os.environ"]

BOMBS = [
    "SELECT count(*) FROM range(1000000000000)",
    "SELECT range(1000000000)",
    "SELECT repeat('x', 2000000000)",
    "SELECT lpad('x', 2147483647, 'y')",
    "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range = -1",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "SELECT array_agg(repeat('x', 100000)) FROM range(100000)",
    "SELECT string_agg(repeat('x', 100000), '') FROM range(100000)",
    "SELECT repeat('x', 1000000) FROM range(10000)",
    "SELECT * FROM range(100000000) ORDER BY hash(range)",
    "SELECT " + ", ".join(f"range AS c{i}" for i in range(20_000)) + " FROM range(100000)",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "[" * 3000 + "1" + "]" * 3000,
    "SELECT " + "NOT " * 20_000 + "true",
    "SELECT count(DISTINCT a.range * b.range) FROM range(1000000) AS a, range(100000) AS b",
]


@pytest.fixture
def attempt(run_queries: Any, follower: Follower) -> Callable[[list[str]], list[TurnoutError]]:
    """Try each query; the errors they end in. The file and the next query must not notice."""

    def run(queries: list[str]) -> list[TurnoutError]:
        own = follower.current().path
        before = _state(own)

        async def story(_runner: Runner, ask: Any) -> list[TurnoutError]:
            errors = []
            for sql in queries:
                with pytest.raises(TurnoutError) as caught:
                    await ask(sql.replace("{own}", str(own)))
                errors.append(caught.value)
            assert (await ask("SELECT count(*) FROM userdata.companyperson")).row_count == 1
            return errors

        errors: list[TurnoutError] = run_queries(story)
        assert _state(own) == before
        assert not list(Path("/tmp").glob("turnout-attack*"))
        return errors

    return run


FILES = "Clips read only the warehouse; files and web addresses"
READ_ONLY = "Clips only read"


@pytest.mark.parametrize(
    ("queries", "words"),
    [
        (READS_A_FILE, f"{FILES}|getenv does not exist"),
        (WRITES_A_FILE, f"Clips write no files|{FILES}|PRAGMA is not|single SELECT"),
        (OPENS_A_DATABASE, "no other database can be attached|cannot be detached|Settings are"),
        (LOADS_CODE, f"Extensions cannot be loaded|{READ_ONLY}"),
        (CHANGES_SETTINGS, "Settings are fixed|PRAGMA is not|CALL is not"),
        (WRITES_ROWS, f"{READ_ONLY}|plain EXPLAIN is|not available|needs no transaction"),
        (LEAVES_SOMETHING, READ_ONLY),
        (SEVERAL_STATEMENTS, "is one statement|no query here|syntax error"),
        (NAMES_A_VARIABLE, "does not exist"),
    ],
    ids=[
        "reading files",
        "writing files",
        "opening databases",
        "loading code",
        "changing settings",
        "writing rows",
        "leaving something",
        "several statements",
        "naming variables",
    ],
)
def test_an_attack_fails_with_a_clear_message(
    attempt: Any, queries: list[str], words: str, tmp_path: Path
) -> None:
    for sql, error in zip(queries, attempt(queries), strict=True):
        assert isinstance(error, QueryRefused | QueryFailed), sql
        assert re.search(words, error.message), (sql, error.message)
        assert "Traceback" not in str(error), sql
        assert str(tmp_path) not in str(error), sql


def test_indirect_reading_sees_only_the_follower(run_queries: Any) -> None:
    async def story(_runner: Runner, ask: Any) -> None:
        for sql in (
            "SELECT * FROM query('SELECT count(*) FROM userdata.companyperson')",
            "SELECT * FROM query_table('companyperson')",
            "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        ):
            assert (await ask(sql)).row_count >= 1

    run_queries(story)


def test_settings_and_paths_reveal_no_secret(
    run_queries: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TURNOUT_SOURCES_APP_URL", "postgresql://u:hunter2@db/x")

    async def story(_runner: Runner, ask: Any) -> None:
        for sql in (
            "SELECT * FROM duckdb_settings()",
            "SELECT * FROM duckdb_databases()",
            "SELECT * FROM duckdb_secrets()",
            "SELECT * FROM duckdb_variables()",
        ):
            await ask(sql)
            answer = (tmp_path / "answer.arrow").read_bytes()
            assert b"hunter2" not in answer
            assert os.fsencode(Path.home()) + b"/" not in answer

    run_queries(story)


@pytest.mark.parametrize("sql", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_ends_in_time_and_within_its_memory(
    run_queries: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    peak = 0

    async def story(runner: Runner, ask: Any) -> None:
        nonlocal peak
        # The clock begins when a worker is warm; how long that takes is not the bomb's doing.
        began = time.monotonic()
        is_ready = runner._is_ready

        async def begin(child: Any) -> bool:
            nonlocal began
            answer = await is_ready(child)
            began = time.monotonic()
            return answer

        monkeypatch.setattr(runner, "_is_ready", begin)
        bomb = asyncio.create_task(ask(sql))
        while not bomb.done():
            peak = max([peak, *(_resident(child.pid) for child in list(runner._children))])
            await asyncio.sleep(0.02)
        took_s = time.monotonic() - began
        # The engine answers the mildest; the others end in an error. None takes longer.
        if bomb.exception() is not None:
            assert isinstance(bomb.exception(), QueryFailed | QueryRefused), bomb.exception()
        assert took_s < settings.timeout_s + 2
        assert (await ask("SELECT 1")).row_count == 1

    run_queries(story)
    assert peak < settings.memory_bytes_max
    assert peak > 0 or sys.platform != "linux"


def test_an_endless_query_is_said_to_have_timed_out(attempt: Any) -> None:
    (error,) = attempt(["SELECT count(*) FROM range(1000000000000)"])
    assert isinstance(error, QueryTimedOut)
    assert "1 s" in error.message


def test_a_memory_bomb_is_said_to_need_too_much_memory(attempt: Any) -> None:
    for error in attempt(["SELECT range(1000000000)", "SELECT repeat('x', 2000000000)"]):
        assert isinstance(error, QueryTooLarge)
        assert "memory" in error.message


def _state(path: Path) -> dict[str, tuple[str, int]]:
    """Names, digests and modes of everything beside the follower's file."""
    return {
        file.name: (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mode)
        for file in path.parent.iterdir()
    }


def _resident(pid: int) -> int:
    """Bytes of memory this process has ever held."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
