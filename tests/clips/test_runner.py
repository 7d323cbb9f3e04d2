from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from turnout import config
from turnout.clips.exchange import await_ready
from turnout.clips.follower import Follower
from turnout.clips.runner import Runner
from turnout.errors import Busy, QueryFailed, QueryTimedOut, QueryTooLarge

FOREVER = "SELECT count(*) FROM range(1000000000000)"


def read(path: Path) -> pa.Table:
    with path.open("rb") as source, pa.ipc.open_file(source) as file:
        return file.read_all()


def test_an_answer_is_an_arrow_file_with_our_types(run_queries: Any, tmp_path: Path) -> None:
    sql = """
        SELECT 1 AS n, 1.5::DECIMAL(9, 2) AS d, 0.5::DOUBLE AS f, 'x' AS t, true AS b,
               DATE '2026-03-01' AS day, TIMESTAMP '2026-03-01' AS at, TIME '10:00:00' AS c,
               INTERVAL 1 DAY AS i, '{"a":1}'::JSON AS j, uuid() AS u, 'x'::BLOB AS raw,
               [1, 2] AS l, {'a': 1} AS s, 'x'::ENUM('x') AS e, 5::HUGEINT AS h, NULL AS nothing
    """

    async def story(_runner: Runner, ask: Any) -> Any:
        return await ask(sql)

    ran = run_queries(story)
    assert " ".join(ran.fields) == "n d f t b day at c i j u raw l s e h nothing"
    assert " ".join(ran.types) == (
        "integer decimal float text boolean date time clock interval json uuid bytes "
        "json json text integer text"
    )
    (row,) = read(tmp_path / "answer.arrow").to_pylist()
    assert (row["c8"], row["c12"], row["c13"], row["c16"]) == ("1 day", "[1,2]", '{"a":1}', None)


def test_column_names_may_repeat(run_queries: Any, tmp_path: Path) -> None:
    async def story(_runner: Runner, ask: Any) -> Any:
        return await ask("SELECT 1 AS a, 2 AS a, [3] AS a")

    assert run_queries(story).fields == ["a", "a", "a"]
    assert read(tmp_path / "answer.arrow").to_pylist() == [{"c0": 1, "c1": 2, "c2": "[3]"}]


def test_order_and_short_names_and_utc_hold(run_queries: Any, tmp_path: Path) -> None:
    async def story(_runner: Runner, ask: Any) -> None:
        await ask("SELECT DISTINCT company_uuid, [1] FROM companyperson ORDER BY 1 DESC")
        answer = read(tmp_path / "answer.arrow")["c0"].to_pylist()
        assert answer == [f"company-{i}" for i in (4, 3, 2, 1, 0)]
        await ask("SELECT current_setting('TimeZone')")
        assert read(tmp_path / "answer.arrow")["c0"].to_pylist() == ["UTC"]

    run_queries(story)


def test_the_ancestors_join_runs_as_written(run_queries: Any) -> None:
    async def story(_runner: Runner, ask: Any) -> Any:
        return await ask(
            "SELECT company_uuid\nFROM userdata.companyperson AS userdata\n"
            "INNER JOIN analytics.pressed_big_button AS analytics\n"
            "ON userdata.person_uuid = analytics.user_id"
        )

    assert run_queries(story).row_count == 1000


@pytest.mark.parametrize(
    ("rows", "truncated"), [(4_999, False), (5_000, False), (5_001, True), (10**9, True)]
)
def test_too_many_rows_are_cut_and_that_is_said(
    run_queries: Any, tmp_path: Path, rows: int, truncated: bool
) -> None:
    async def story(_runner: Runner, ask: Any) -> Any:
        return await ask(f"SELECT * FROM range({rows})")

    ran = run_queries(story)
    assert (ran.row_count, ran.truncated) == (min(rows, 5_000), truncated)
    assert read(tmp_path / "answer.arrow").num_rows == ran.row_count


def test_too_many_bytes_are_cut_and_a_row_beyond_all_is_refused(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> None:
    small = msgspec.structs.replace(settings, bytes_max=1_000_000)

    async def story() -> None:
        runner = Runner(small, tmp_path)
        await runner.start()
        into = tmp_path / "answer.arrow"
        cut = await runner.run(
            "SELECT repeat('x', 10000) FROM range(1000)", follower.current(), into
        )
        assert cut.truncated
        assert 0 < cut.row_count <= 100
        assert cut.bytes <= 1_000_000
        with pytest.raises(QueryTooLarge, match="One row of the answer is larger than"):
            await runner.run("SELECT repeat('x', 2000000)", follower.current(), into)
        await runner.close()

    asyncio.run(story())


def test_an_error_is_the_engines_own_and_points_at_the_place(run_queries: Any) -> None:
    async def story(_runner: Runner, ask: Any) -> None:
        with pytest.raises(
            QueryFailed, match=r"column \"company\" not found(?s:.*)LINE 1(?s:.*)\^"
        ):
            await ask("SELECT company FROM userdata.companyperson")

    run_queries(story)


def test_a_failed_run_leaves_no_file(run_queries: Any, tmp_path: Path) -> None:
    async def story(_runner: Runner, ask: Any) -> None:
        with pytest.raises(QueryFailed):
            await ask("SELECT error('late') FROM range(10)")
        assert not list(tmp_path.glob("answer*"))  # noqa: ASYNC240 - a test may look

    run_queries(story)


def test_a_killed_worker_fails_its_query_only(run_queries: Any) -> None:
    async def story(runner: Runner, ask: Any) -> None:
        other = asyncio.create_task(ask("SELECT count(*) FROM range(100000000)"))
        running = asyncio.create_task(ask(FOREVER))
        await _until(lambda: len(runner._children) >= 4)
        victim = next(iter({c for c in runner._children if c not in _idle(runner) and _busy(c)}))
        os.kill(victim.pid, signal.SIGKILL)
        outcomes = await asyncio.gather(other, running, return_exceptions=True)
        failed = [o for o in outcomes if isinstance(o, QueryFailed)]
        assert any("killed from outside" in str(o) or isinstance(o, QueryTimedOut) for o in failed)
        assert (await ask("SELECT 1")).row_count == 1

    run_queries(story)


def test_workers_killed_while_they_wait_are_replaced(run_queries: Any) -> None:
    async def story(runner: Runner, ask: Any) -> None:
        await _until(lambda: len(_idle(runner)) == 2)
        for child in _idle(runner):
            child.kill()
            child.wait()
        assert (await ask("SELECT 1")).row_count == 1

    run_queries(story)


def test_a_full_queue_says_so(run_queries: Any) -> None:
    async def story(_runner: Runner, ask: Any) -> None:
        # Two run and two wait: the settings of these tests.
        held = [asyncio.create_task(ask(FOREVER)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="Too many queries"):
            await ask("SELECT 1")
        outcomes = await asyncio.gather(*held, return_exceptions=True)
        assert all(isinstance(outcome, QueryTimedOut) for outcome in outcomes)
        assert (await ask("SELECT 1")).row_count == 1

    run_queries(story)


def test_a_run_that_nobody_waits_for_is_ended(run_queries: Any) -> None:
    async def story(runner: Runner, ask: Any) -> None:
        running = asyncio.create_task(ask(FOREVER))
        await _until(lambda: any(c not in _idle(runner) for c in runner._children))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await _until(lambda: all(c in _idle(runner) for c in runner._children))

    run_queries(story)


def test_a_timeout_may_be_given_with_the_query(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> None:
    async def story() -> None:
        runner = Runner(settings, tmp_path)
        await runner.start()
        with pytest.raises(QueryTimedOut, match=r"0\.2 s"):
            await runner.run(FOREVER, follower.current(), tmp_path / "answer", timeout_s=0.2)
        await runner.close()

    asyncio.run(story())


def test_a_slow_query_answers_with_its_rows_alone(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> None:
    """Past two seconds the engine would draw a progress bar into whatever stands for a screen."""

    async def story() -> None:
        runner = Runner(msgspec.structs.replace(settings, timeout_s=60.0), tmp_path)
        await runner.start()
        rows, ran = 400_000_000, None
        while ran is None or ran.duration_ms < 2_300:
            rows *= 2
            sql = f"SELECT count(*) AS n FROM range({rows}) AS numbers(x) WHERE x % 7 = 1"
            ran = await runner.run(sql, follower.current(), tmp_path / "answer")
        assert read(tmp_path / "answer")["c0"].to_pylist() == [(rows + 5) // 7]
        await runner.close()

    asyncio.run(story())


def test_closing_ends_every_process(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> None:
    async def story() -> list[int]:
        runner = Runner(settings, tmp_path)
        await runner.start()
        running = asyncio.create_task(
            runner.run(FOREVER, follower.current(), tmp_path / "answer.arrow")
        )
        await _until(lambda: len(runner._children) == 3)
        pids = [child.pid for child in runner._children]
        began = time.monotonic()
        await runner.close()
        assert time.monotonic() - began < 2
        assert isinstance(
            (await asyncio.gather(running, return_exceptions=True))[0], QueryFailed | Busy
        )
        return pids

    for pid in asyncio.run(story()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_dies_with_its_parent(settings: config.Clips, tmp_path: Path) -> None:
    async def story() -> int:
        runner = Runner(settings, tmp_path)
        await runner.start()
        await _until(lambda: _idle(runner))
        child = _idle(runner)[0]
        assert await asyncio.to_thread(await_ready, child)
        # Its starter thread ends, as when the whole process is killed.
        runner._starter.shutdown()
        code: int = await asyncio.to_thread(child.wait, 5)
        await runner.close()
        return code

    assert asyncio.run(story()) == -signal.SIGKILL


def test_an_unreadable_snapshot_is_an_error_without_its_path(
    settings: config.Clips, follower: Follower, tmp_path: Path
) -> None:
    async def story() -> None:
        runner = Runner(settings, tmp_path)
        await runner.start()
        snapshot = follower.current()
        snapshot.path.unlink()
        with pytest.raises(QueryFailed) as caught:
            await runner.run("SELECT 1", snapshot, tmp_path / "answer.arrow")
        assert str(tmp_path) not in str(caught.value)
        await runner.close()

    asyncio.run(story())


async def _until(is_so: Any, within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def _idle(runner: Runner) -> list[Any]:
    return list(runner._warm._queue)  # type: ignore[attr-defined]


def _busy(child: Any) -> bool:
    return child.poll() is None
