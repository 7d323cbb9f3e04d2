"""Addresses of files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import ConfigError
from turnout.sync.dump.address import Files, read_address

NAMES = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1)


@given(names=st.lists(NAMES, min_size=1, max_size=3), table=st.text(max_size=20))
def test_an_address_says_the_files_whatever_they_are_called(names: list[str], table: str) -> None:
    files = Files([Path("/") / name for name in names], table, datetime(2026, 1, 1, tzinfo=UTC))
    assert read_address(files.url) == files


def test_an_address_may_name_one_file_or_none() -> None:
    assert read_address("file:/backups/app.dump").paths == [Path("/backups/app.dump")]
    assert read_address("file:///backups/my%20app.dump").paths == [Path("/backups/my app.dump")]
    assert read_address("file:").paths == []
    with pytest.raises(ConfigError, match="from the root on"):
        read_address("file:app.dump")
