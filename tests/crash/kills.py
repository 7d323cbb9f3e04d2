"""kill -9 at any moment, of the collector, the loader or both, while clients send."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crash.ledger import Ledger, Verdict, settle
from tests.crash.sender import senders
from tests.crash.stage import Stage

CLIENTS = 4
VICTIMS = (("collector",), ("app",), ("collector", "app"))
# From the moment a process answers again to its next death.
LIFE_MAX_S = {"collector": 0.6, "app": 1.2}


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a scenario did, and how it ended."""

    name: str
    blows: int
    verdict: Verdict
    duration_s: float
    remark: str = ""


def kill_again_and_again(
    folder: Path, kills: int, seed: int, tell: Callable[[int], None]
) -> Campaign:
    """`tell` hears how many were killed so far."""
    began_s = time.monotonic()
    chance = random.Random(seed)
    ledger, done = Ledger(), Counter[str]()
    stage = Stage(folder)
    try:
        stage.start("collector", "app")
        stage.wait_until_answering("collector", "app")
        with senders(CLIENTS, stage.port, stage.key, ledger, name="k"):
            while done.total() < kills:
                victims = chance.choice(VICTIMS)
                # Any moment: also before it is up again, while it recovers, while it loads.
                time.sleep(chance.uniform(0, max(LIFE_MAX_S[victim] for victim in victims)))
                stage.kill(victims)
                done.update(victims)
                stage.start(*victims)
                # Else the next blow may come before.
                if chance.random() < 0.7:
                    stage.wait_until_answering(*victims)
                tell(done.total())
            stage.wait_until_answering("collector")
        stage.stop()
        verdict = settle(stage.config, ledger)
    finally:
        stage.close()
    remark = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
    return Campaign("kill -9", done.total(), verdict, time.monotonic() - began_s, remark)
