"""While changes are followed: texts that look personal are told the first time they come."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from turnout.sync.privacy.scan import SAMPLE_ROWS, Finding, findings_in, scanned
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column


class Watch:
    """What was told already. A whole copy says how many there are; here, that there are some."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str]] = set()

    def new_findings(
        self, selected: SelectedTable, columns: tuple[Column, ...], rows: pa.Table
    ) -> list[Finding]:
        """Of each column the kinds that were not told before, in `rows` that were treated.

        `columns` are those after treatment. No more rows are looked at than of a copy.
        """
        return list(self._new(selected, columns, rows.slice(0, SAMPLE_ROWS)))

    def _new(
        self, selected: SelectedTable, columns: tuple[Column, ...], rows: pa.Table
    ) -> Iterator[Finding]:
        for name in scanned(selected, columns):
            for found in findings_in(selected.label, name, rows[name]):
                place = (found.table, found.column, found.kind)
                if place not in self._told:
                    self._told.add(place)
                    yield found
