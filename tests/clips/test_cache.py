from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from turnout import config
from turnout.clips import cache, shelf
from turnout.clips.cache import Answers
from turnout.clips.follower import Follower
from turnout.clips.runner import Ran, Runner
from turnout.errors import NoSnapshot, QueryFailed, QueryRefused
from turnout.warehouse.duckdb import DuckDB

COUNT = "SELECT count(*) FROM userdata.companyperson"
Story = Callable[[Answers, "CountingRunner"], Awaitable[None]]


class CountingRunner(Runner):
    """The real runner; counts its runs and can be told to fail."""

    runs = 0
    fails = False

    async def run(self, *asked: Any, **how: Any) -> Ran:
        self.runs += 1
        if self.fails:
            raise QueryFailed("It broke.")
        return await super().run(*asked, **how)


@pytest.fixture
def tell(settings: config.Clips, follower: Follower, tmp_path: Path) -> Callable[..., None]:
    """Run a story with answers that count as old at once, or after `fresh_for_s`."""

    def tell(story: Story, *, fresh_for_s: float = 0) -> None:
        own = msgspec.structs.replace(settings, fresh_for_s=fresh_for_s, timeout_s=10)

        async def whole() -> None:
            runner = CountingRunner(own, tmp_path)
            await runner.start()
            answers = Answers(runner, follower, tmp_path / "cache", own)
            try:
                await story(answers, runner)
            finally:
                await answers.close()
                await runner.close()

        asyncio.run(whole())

    return tell


def publish(follower: Follower, warehouse: DuckDB) -> None:
    with warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO userdata.companyperson VALUES ('person-x', 'company-x')")
    follower.publish(now=datetime.now(UTC))


async def landed(answers: Answers) -> None:
    """Wait for the runs going on behind."""
    await asyncio.gather(*answers._flights.values(), return_exceptions=True)
    await asyncio.sleep(0)


def test_a_hundred_pollers_cost_one_query(tell: Any) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        results = await asyncio.gather(*(answers.answer(COUNT, key="a-1") for _ in range(100)))
        assert {result.rows(1)[0][0] for result in results} == {20}
        assert len({result.etag for result in results}) == 1
        assert runner.runs == 1

    tell(story)


def test_the_same_snapshot_needs_no_second_run_however_old_the_answer(tell: Any) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.answer(COUNT, key="a-1")
        again = await answers.answer(COUNT, key="a-1")
        await landed(answers)
        assert again.etag == first.etag
        assert runner.runs == 1

    tell(story)


def test_an_old_answer_is_served_at_once_and_renewed_behind(
    tell: Any, follower: Follower, warehouse: DuckDB
) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.answer(COUNT, key="a-1")
        publish(follower, warehouse)
        old = await answers.answer(COUNT, key="a-1")
        assert (old.rows(1), old.etag, old.is_stale) == ([[20]], first.etag, False)
        await landed(answers)
        new = await answers.answer(COUNT, key="a-1")
        assert new.rows(1) == [[21]]
        assert new.etag != first.etag
        assert runner.runs == 2

    tell(story)


def test_whoever_waits_a_little_gets_the_new_answer(
    tell: Any, follower: Follower, warehouse: DuckDB
) -> None:
    async def story(answers: Answers, _runner: CountingRunner) -> None:
        await answers.answer(COUNT, key="a-1")
        publish(follower, warehouse)
        assert (await answers.answer(COUNT, key="a-1", wait_s=10)).rows(1) == [[21]]

    tell(story)


def test_within_its_fresh_time_no_new_snapshot_causes_a_run(
    tell: Any, follower: Follower, warehouse: DuckDB
) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        await answers.answer(COUNT, key="a-1")
        publish(follower, warehouse)
        await answers.answer(COUNT, key="a-1")
        await landed(answers)
        assert runner.runs == 1

    tell(story, fresh_for_s=60)


def test_what_changes_by_itself_is_run_again_on_the_same_snapshot(tell: Any) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.answer("SELECT random()", key="a-1")
        await answers.answer("SELECT random()", key="a-1")
        await landed(answers)
        second = await answers.answer("SELECT random()", key="a-1")
        await landed(answers)
        assert second.etag != first.etag
        assert runner.runs == 3

    tell(story)


def test_an_answer_that_speaks_of_today_is_right_until_midnight(
    tell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT current_date"

    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.answer(sql, key="a-1")
        assert (await answers.answer(sql, key="a-1", wait_s=10)).etag == first.etag
        assert runner.runs == 1
        (entry,) = answers._entries.values()
        yesterday = replace(entry.result, ran_at=first.ran_at - timedelta(days=1))
        answers._entries = OrderedDict(
            {name: replace(entry, result=yesterday) for name in answers._entries}
        )
        monkeypatch.setattr(cache, "STAND_IN_S", 2 * 86_400)
        await answers.answer(sql, key="a-1", wait_s=10)
        assert runner.runs == 2

    tell(story)


def test_the_last_good_answer_stays_when_a_run_fails(
    tell: Any, follower: Follower, warehouse: DuckDB
) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        await answers.answer(COUNT, key="a-1")
        publish(follower, warehouse)
        runner.fails = True
        await answers.answer(COUNT, key="a-1")
        await landed(answers)
        marked = await answers.answer(COUNT, key="a-1")
        assert (marked.rows(1), marked.is_stale, marked.problem) == ([[20]], True, "It broke.")
        assert runner.runs == 2, "a failing query is not tried again at once"
        runner.fails = False
        answers._failures.clear()  # as after its pause
        mended = await answers.answer(COUNT, key="a-1", wait_s=10)
        assert (mended.rows(1), mended.is_stale, mended.problem) == ([[21]], False, None)

    tell(story)


def test_after_a_day_the_last_good_answer_stands_in_no_more(
    tell: Any, follower: Follower, warehouse: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        await answers.answer(COUNT, key="a-1")
        publish(follower, warehouse)
        runner.fails = True
        monkeypatch.setattr(cache, "_age_s", lambda _entry: 86_401)
        with pytest.raises(QueryFailed, match="It broke"):
            await answers.answer(COUNT, key="a-1")

    tell(story)


def test_the_first_run_is_waited_for_and_its_error_raised(tell: Any) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        for _ in range(3):
            with pytest.raises(QueryRefused, match="only read"):
                await answers.answer("DELETE FROM userdata.companyperson", key="a-1")
        assert runner.runs == 1

    tell(story)


def test_changed_sql_under_the_same_key_is_another_answer(tell: Any) -> None:
    async def story(answers: Answers, _runner: CountingRunner) -> None:
        first = await answers.answer("SELECT 1", key="a-1")
        second = await answers.answer("SELECT 2", key="a-1")
        assert (first.rows(1), second.rows(1)) == ([[1]], [[2]])
        assert first.etag != second.etag

    tell(story)


def test_answers_survive_a_restart_and_leftovers_do_not(
    tell: Any, follower: Follower, tmp_path: Path
) -> None:
    etags = []

    async def story(answers: Answers, runner: CountingRunner) -> None:
        etags.append((await answers.answer(COUNT, key="a-1")).etag)
        assert runner.runs == 1 - (len(etags) - 1)

    tell(story)
    (tmp_path / "cache" / "deadbeef-1-00000000.arrow").write_bytes(b"left over")
    (tmp_path / "cache" / "deadbeef.json.part").write_bytes(b"left over")
    tell(story)
    assert etags[0] == etags[1]
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_torn_answer_is_run_again(tell: Any, tmp_path: Path) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        assert (await answers.answer(COUNT, key="a-1")).rows(1) == [[20]]
        assert runner.runs == 1

    tell(story)
    (rows,) = (tmp_path / "cache").glob("*.arrow")
    rows.write_bytes(rows.read_bytes()[:40])
    tell(story)


def test_an_answer_is_as_old_as_the_oldest_schema_it_reads(tell: Any) -> None:
    both = "SELECT count(*) FROM userdata.companyperson, analytics.pressed_big_button"

    async def story(answers: Answers, _runner: CountingRunner) -> None:
        ages = [
            (await answers.answer(sql, key="a-1")).as_of.minute
            for sql in ("SELECT count(*) FROM analytics.pressed_big_button", COUNT, both)
        ]
        assert ages == [59, 55, 55]

    tell(story)


def test_an_answer_grows_younger_when_a_load_found_nothing_new(
    tell: Any, follower: Follower
) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.answer(COUNT, key="a-1")
        follower.note("userdata", first.as_of + timedelta(minutes=30))
        again = await answers.answer(COUNT, key="a-1")
        assert again.as_of == first.as_of + timedelta(minutes=30)
        assert again.etag == first.etag
        assert runner.runs == 1

    tell(story)


def test_a_draft_is_run_each_time_and_kept_by_nobody(tell: Any, tmp_path: Path) -> None:
    async def story(answers: Answers, runner: CountingRunner) -> None:
        first = await answers.draft("SELECT 1 AS n")
        second = await answers.draft("SELECT 1 AS n")
        assert first.rows(1) == second.rows(1) == [[1]]
        assert first.etag != second.etag
        assert runner.runs == 2
        with pytest.raises(QueryFailed, match="nothing"):
            await answers.draft("SELECT * FROM nothing")
        assert list((tmp_path / "cache").iterdir()) == []

    tell(story)


def test_a_run_holds_its_snapshot_while_newer_ones_are_published(
    tell: Any, follower: Follower, warehouse: DuckDB
) -> None:
    async def story(answers: Answers, _runner: CountingRunner) -> None:
        asked = asyncio.create_task(answers.answer(COUNT, key="a-1"))
        await asyncio.sleep(0.005)
        await asyncio.to_thread(publish, follower, warehouse)
        await asyncio.to_thread(publish, follower, warehouse)
        assert (await asked).rows(1)[0][0] >= 20

    tell(story)


def test_without_a_snapshot_there_is_no_answer_yet(
    settings: config.Clips, warehouse: DuckDB, tmp_path: Path
) -> None:
    async def story() -> None:
        runner = Runner(settings, tmp_path)
        empty = Follower(tmp_path / "none", warehouse)
        with pytest.raises(NoSnapshot):
            await Answers(runner, empty, tmp_path / "cache", settings).answer(COUNT, key="a-1")
        await runner.close()

    asyncio.run(story())


def test_the_oldest_answers_leave_when_the_disk_share_is_full(tell: Any, tmp_path: Path) -> None:
    async def story(answers: Answers, _runner: CountingRunner) -> None:
        for number in range(3):
            await answers.answer(f"SELECT {number}", key=f"clip{number}-1")

    tell(story)
    shelf.sweep(tmp_path / "cache", bytes_max=8)  # two answers of one integer each
    assert len(list((tmp_path / "cache").glob("*.arrow"))) == 2
    assert len(list((tmp_path / "cache").glob("*.json"))) == 2
