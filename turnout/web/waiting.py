"""Answers a page asks for but does not wait long for.

A page that is sent before its answer leaves the run going; the next look finds it done.
"""

from __future__ import annotations

import asyncio

from turnout.clips.cache import Answers
from turnout.clips.parameters import Question
from turnout.clips.result import Result
from turnout.errors import NoSnapshot, TurnoutError

PATIENCE_S = 1.5
# An old answer is at hand at once. It is held back this long for a newer one, because whoever
# asks once an hour, as spreadsheets do, would otherwise always get the answer of an hour ago.
NEWER_WAIT_S = 1.0


class Waiting:
    """The runs that pages have asked for, by clip, version and values."""

    def __init__(self, answers: Answers, patience_s: float = PATIENCE_S) -> None:
        self._answers = answers
        self._patience_s = patience_s
        self._runs: dict[tuple[str, Question], asyncio.Task[Result]] = {}

    async def ask(self, key: str, question: Question) -> Result | TurnoutError | None:
        """The answer, the reason why there is none, or None while it is still being prepared."""
        asked = (key, question)
        run = self._runs.get(asked)
        if run is None:
            run = asyncio.create_task(self._answers.answer(question, key=key, wait_s=NEWER_WAIT_S))
            self._runs[asked] = run
            run.add_done_callback(lambda run: self._forget(asked, run))
        done, _ = await asyncio.wait([run], timeout=self._patience_s)
        if not done:
            return None
        try:
            return run.result()
        except NoSnapshot:
            return None
        except TurnoutError as error:
            return error

    async def close(self) -> None:
        """Stop waiting for what still runs."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    def _forget(self, asked: tuple[str, Question], run: asyncio.Task[Result]) -> None:
        self._runs.pop(asked, None)
        if not run.cancelled():
            run.exception()  # seen: nobody may be left who waits for it
