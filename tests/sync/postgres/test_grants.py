from __future__ import annotations

from turnout.sync import SelectedTable, grants


def test_grants_name_each_selected_column_and_nothing_else() -> None:
    selection = (
        SelectedTable("public", "company", ("uuid", "plan")),
        SelectedTable("billing", 'odd "table"', ("Total",)),
        SelectedTable("public", "person", ("uuid",)),
    )
    assert grants(selection, "turnout") == [
        'GRANT USAGE ON SCHEMA "public" TO "turnout";',
        'GRANT USAGE ON SCHEMA "billing" TO "turnout";',
        'GRANT SELECT ("uuid", "plan") ON "public"."company" TO "turnout";',
        'GRANT SELECT ("Total") ON "billing"."odd ""table""" TO "turnout";',
        'GRANT SELECT ("uuid") ON "public"."person" TO "turnout";',
    ]
