"""A trial's events: the rows they became, and their removal without a trace in the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnout.events.upkeep.forget import forget
from turnout.events.upkeep.forget.subjects import Subjects, condition
from turnout.events.upkeep.upkeep import Report, Upkeep

# The one event that trials track.
EVENT, EVENT_TABLE = "Turnout Check", "turnout_check"


def find_trial(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """The rows in `schema` of the `user` and the `account` of a trial, by table."""
    work.load_all()
    subjects = Subjects((parameters["user"],), (), (parameters["account"],))
    dialect = work.warehouse.dialect
    tables: dict[str, Any] = {}
    for table in work.warehouse.tables(parameters["schema"]):
        found = condition(dialect, table, subjects.by_column(table.name))
        if found is None or table.column("_source") is None:
            continue
        where, values = found
        name = dialect.table(table.schema, table.name)
        rows = work.warehouse.query(f"SELECT * FROM {name} WHERE {where} LIMIT 1", values)
        for row in rows.to_pylist():
            tables[f"{table.schema}.{table.name}"] = {
                column: str(value) for column, value in row.items() if value is not None
            }
    return Report(f"Found in {len(tables)} tables.", {"tables": tables})


def remove_trial(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Erase a trial's rows and lines, and its event's table when nothing else is in it."""
    forget(
        work,
        {
            "users": [parameters["user"], parameters["former_user"]],
            "accounts": [parameters["account"]],
            "since_s": parameters["since_s"],
            "is_trial": True,
        },
    )
    schema = str(parameters["schema"])
    name = work.warehouse.dialect.table(schema, EVENT_TABLE)
    if any(table.name == EVENT_TABLE for table in work.warehouse.tables(schema)):
        with work.warehouse.transaction() as transaction:
            if transaction.execute(f"SELECT count(*) AS n FROM {name}")["n"][0].as_py() == 0:
                transaction.execute(f"DROP TABLE {name}")
        work.loader.refresh()
    return Report("The trial's events are removed again.", changed=True)
