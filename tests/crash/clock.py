"""The clock on the wall jumps by hours and weeks, forwards and back, while clients send.

`python -m tests.crash.clock collector …` is the product's own process with such a clock: what it
reads of the time goes through the offset in the file that TURNOUT_TEST_CLOCK names.
"""

from __future__ import annotations

import importlib
import os
import random
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from tests.crash.kills import Campaign
from tests.crash.ledger import Ledger, settle
from tests.crash.sender import senders
from tests.crash.stage import Stage

VARIABLE = "TURNOUT_TEST_CLOCK"
CLIENTS = 3
HOUR_S = 3600
JUMPS_S = (-40 * 24 * HOUR_S, -HOUR_S, -1, 0, 1, HOUR_S, 40 * 24 * HOUR_S)
BETWEEN_S = 0.4
# Those that read the time while events pass through them.
READERS = (
    "turnout.events.door.line",
    "turnout.events.journal.segment_file",
    "turnout.events.loading.load",
    "turnout.jobs.timetable",
)


def jump_again_and_again(
    folder: Path, jumps: int, seed: int, tell: Callable[[int], None]
) -> Campaign:
    """Every other jump, a process is killed and begins with the new time."""
    began_s = time.monotonic()
    chance = random.Random(seed)
    ledger = Ledger()
    offset = folder / "offset"
    stage = Stage(folder, module="tests.crash.clock")
    os.environ[VARIABLE] = str(offset)
    try:
        stage.start("collector", "app")
        stage.wait_until_answering("collector", "app")
        with senders(CLIENTS, stage.port, stage.key, ledger, name="c"):
            for number in range(jumps):
                offset.write_text(str(chance.choice(JUMPS_S)))
                time.sleep(BETWEEN_S)
                if number % 2:
                    victim = chance.choice(("collector", "app"))
                    stage.kill([victim])
                    stage.start(victim)
                tell(number + 1)
            stage.wait_until_answering("collector", "app")
        stage.stop()
        verdict = settle(stage.config, ledger)
    finally:
        del os.environ[VARIABLE]
        stage.close()
    return Campaign("clock jumps", jumps, verdict, time.monotonic() - began_s)


class Jumping(datetime):
    """A `datetime` whose now is the jumping one."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)


def install(offset: Path) -> None:
    """From now on this process reads the time from a clock that jumps."""
    real, real_ns = time.time, time.time_ns

    def jump_s() -> float:
        try:
            return float(offset.read_text() or 0)
        except FileNotFoundError:
            return 0.0

    time.time = lambda: real() + jump_s()
    time.time_ns = lambda: real_ns() + int(jump_s()) * 10**9
    for name in READERS:
        module: Any = importlib.import_module(name)
        if hasattr(module, "datetime"):
            module.datetime = Jumping


if __name__ == "__main__":
    from turnout.app import main

    install(Path(os.environ[VARIABLE]))
    main()
