from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from turnout.demo.notebook import Notebook, read_notebook


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    at = datetime(2026, 3, 17, 12, 30, 5, tzinfo=UTC)
    book = Notebook(7, date(2026, 3, 17), sent_until=at, filled_until=at)
    later = book.save(tmp_path, sent_until=at.replace(minute=31))
    assert read_notebook(tmp_path) == later
    assert later.filled_until == at


def test_a_home_without_one_has_none(tmp_path: Path) -> None:
    assert read_notebook(tmp_path) is None
