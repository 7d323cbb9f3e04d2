"""The whole of it in a small world: real servers, real SDK, every answer compared."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from turnout.demo import check, truth
from turnout.demo.clips import IDS
from turnout.demo.stage import Stage


def test_every_answer_agrees_a_wrong_one_is_named_and_the_last_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong: set[str] = set()

    class Suspicious(check.Check):
        """Compares once more, with a truth that is wrong in one place, before the right one."""

        def _compare_clips(self, on: Stage) -> None:
            with monkeypatch.context() as lie:
                lie.setattr(truth, "_percent", lambda *_: Decimal("101.0"))
                super()._compare_clips(on)
            wrong.update(clip for clip, agrees in self.report.clips.items() if not agrees)
            assert not self.report.is_ok
            super()._compare_clips(on)

    monkeypatch.setattr(check, "Check", Suspicious)
    out = io.StringIO()
    console = Console(file=out, width=100)
    today = datetime.now(UTC).date()
    assert check.run_check(console, seed=5, today=today, companies=20) == 0
    report = json.loads(out.getvalue().splitlines()[-1])
    assert report["ok"] is True
    assert report["clips"] == dict.fromkeys(IDS, True)
    assert wrong == {"paidshare", "admindaily"}
    parts = [report[name] for name in ("events_stored", "duplicates", "rejected")]
    assert report["events_sent"] == sum(parts)
    assert all(parts)
    assert report["rows_copied"]
