"""The page about the warehouse names every table, every column of ours, and the limits in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnout.events import layout, naming
from turnout.events.loading.plan import COLUMNS_MAX
from turnout.events.loading.routing import EVENT_TABLES_MAX
from turnout.warehouse import Table

PAGE = (Path(__file__).parents[2] / "docs" / "warehouse.md").read_text(encoding="utf-8")
TABLES = [*layout.BOOK_TABLES, *layout.core_tables("analytics")]
# Ours, and not for reading: it says which traits a call cleared.
UNSAID = {"_cleared"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_page_names_every_table_and_every_column_of_calls(table: Table) -> None:
    assert f"`{table.name}`" in PAGE
    if table.schema != layout.BOOKS:
        for column in table.columns:
            assert f"`{column.name}`" in PAGE or column.name in UNSAID, column.name


def test_the_limits_on_the_page_are_those_in_force() -> None:
    assert f"{COLUMNS_MAX} columns" in PAGE
    assert f"{EVENT_TABLES_MAX:,} event tables" in PAGE


@pytest.mark.parametrize(
    ("sent", "name"),
    [("Pressed Big Button", "pressed_big_button"), ("2FA Enabled", "_2fa_enabled")],
)
def test_its_names_are_what_they_become(sent: str, name: str) -> None:
    assert f"`{sent}`" in PAGE
    assert f"`{name}`" in PAGE
    assert naming.event_table(sent) == name
