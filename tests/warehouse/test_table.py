from __future__ import annotations

from turnout.warehouse import Column, Table, Type


def test_a_column_is_found_by_its_exact_name() -> None:
    plan = Column("plan", Type.TEXT)
    table = Table("userdata", "company", (Column("uuid", Type.UUID), plan))
    assert table.column("plan") is plan
    assert table.column("Plan") is None
