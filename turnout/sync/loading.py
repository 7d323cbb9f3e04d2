"""Files loaded into a source's tables, as if its server had been copied when they were written."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from turnout import config
from turnout.errors import BadRequest
from turnout.sync.dump.address import Files, open_files
from turnout.sync.selection import selected_tables
from turnout.sync.state import read_states
from turnout.warehouse import Warehouse


def source_of_files(source: config.Source, files: Files) -> config.Source:
    """`source`, read from `files` instead of its server, and whole whatever its modes are."""
    tables = {name: replace(table, mode="full", cursor="") for name, table in source.tables.items()}
    return replace(source, url=files.url, followers=[], tables=tables)


def look_into(
    name: str, source: config.Source, files: Files, warehouse: Warehouse, *, older: bool
) -> list[str]:
    """What somebody should know before `files` are loaded: sentences.

    Raises `BadRequest` when what is there is newer than the files, unless `older` is accepted.
    """
    selection = selected_tables(name, source)
    with open_files(files.url).snapshot(selection) as snapshot:
        newest = _newest(name, warehouse)
        if newest is not None and newest > snapshot.as_of and not older:
            raise BadRequest(
                f"The files are as of {snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC, and what is there "
                f"of {name} is as of {newest:%Y-%m-%d %H:%M:%S} UTC.",
                hint="To go back to then, say --older; if the files are newer, say --as-of.",
            )
        return [
            f"Nothing says the types of '{table}', so each of its columns is text. "
            "Add a file with its definition: pg_dump --schema-only."
            for table in snapshot.untyped
        ]


def _newest(name: str, warehouse: Warehouse) -> datetime | None:
    return max((state.as_of for state in read_states(warehouse, name) if state.as_of), default=None)
