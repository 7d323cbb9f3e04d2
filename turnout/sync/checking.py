"""Looking at a source without copying anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnout import config
from turnout.errors import TurnoutError
from turnout.sync.opening import open_source
from turnout.sync.privacy.passage import Passage
from turnout.sync.selection import SelectedTable, selected_tables
from turnout.sync.source import SourceDatabase


def check(name: str, source: config.Source) -> list[str]:
    """What is wrong with the selection or more than needed in the role: sentences."""
    selection = selected_tables(name, source)
    database = open_source(name, source)
    return [*database.check(selection), *_refused(database, selection)]


def _refused(database: SourceDatabase, selection: Sequence[SelectedTable]) -> Iterator[str]:
    """Tables that would not pass: treated in a way that does not fit, or personal without a word.

    A source that cannot be looked at has been told of already.
    """
    try:
        with database.snapshot(selection) as snapshot:
            for table in snapshot.tables:
                try:
                    Passage(table.selected, table.columns, b"", None, key=table.shape.key)
                except TurnoutError as error:
                    yield str(error)
    except TurnoutError:
        return
