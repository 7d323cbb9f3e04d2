from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import Source, TableSelection
from turnout.errors import ConfigError
from turnout.sync import SelectedTable, selected_tables

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def selected(tables: dict[str, list[str]]) -> tuple[SelectedTable, ...]:
    selection = {key: TableSelection(columns) for key, columns in tables.items()}
    return selected_tables("app", Source(url="postgresql://", tables=selection))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("key", "schema", "name"),
    [
        ("company", "public", "company"),
        ("billing.invoice", "billing", "invoice"),
        ('"Order"', "public", "Order"),
        ('billing."odd.table"', "billing", "odd.table"),
        ('"two ""marks"""', "public", 'two "marks"'),
        ("CompanyPerson", "public", "CompanyPerson"),
    ],
)
def test_a_key_names_a_table_and_perhaps_its_schema(key: str, schema: str, name: str) -> None:
    assert selected({key: ["id"]}) == (SelectedTable(schema, name, ("id",)),)


@given(names, names)
def test_any_names_can_be_written_in_quotes(schema: str, name: str) -> None:
    key = f"{quoted(schema)}.{quoted(name)}"
    assert selected({key: ["id"]}) == (SelectedTable(schema, name, ("id",)),)


@given(st.text())
def test_any_key_is_read_or_refused(key: str) -> None:
    try:
        (table,) = selected({key: ["id"]})
    except ConfigError:
        return
    assert table.schema
    assert table.name


@pytest.mark.parametrize("key", ["", ".", "a.b.c", 'a"b', '"open', "billing."])
def test_an_unreadable_key_is_refused_with_the_way_to_write_it(key: str) -> None:
    with pytest.raises(ConfigError, match=r"Write 'table', 'schema\.table'"):
        selected({key: ["id"]})


def test_the_order_of_the_selection_is_kept() -> None:
    tables = selected({"person": ["role", "uuid"], "company": ["uuid"]})
    assert [(table.name, table.columns) for table in tables] == [
        ("person", ("role", "uuid")),
        ("company", ("uuid",)),
    ]


def test_an_empty_selection_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigError, match=r"selects no table.*\[sources\.app\.tables\.company\]"):
        selected({})


def test_tables_that_would_fall_together_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"both be copied to userdata\.Invoice"):
        selected({"invoice": ["id"], "billing.Invoice": ["id"]})


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"company names 'Plan' twice"):
        selected({"company": ["plan", "Plan"]})


def test_the_usual_schema_goes_unsaid() -> None:
    assert SelectedTable("public", "company", ()).label == "company"
    assert SelectedTable("billing", "invoice", ()).label == "billing.invoice"
