"""Messages of the log, gathered into Arrow tables: one for each selected table.

Here alone Python looks at every row. A row's values are cut out of its message as bytes, and
become columns together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pyarrow as pa

from turnout.sync.postgres import pgoutput
from turnout.sync.postgres.logged import LoggedTable
from turnout.sync.postgres.pgoutput import (
    BEGIN,
    COMMIT,
    DELETE,
    INSERT,
    NEW,
    RELATION,
    TRUNCATE,
    TUPLE_AT,
    UPDATE,
    Begin,
    Relation,
)
from turnout.sync.postgres.values import ColumnValues
from turnout.sync.selection import SelectedTable
from turnout.sync.source import Changes, SourceTable

WRITTEN, GONE, EMPTIED, MOVED = 1, 2, 3, 4
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
RESOLUTION = timedelta(microseconds=1)

# What a row costs here besides its values.
ROW_BYTES = 100

# Operation, order, microseconds since 1970, what is unchanged, and the values.
Row: TypeAlias = tuple[int, int, int, int, Sequence[bytes | None]]


@dataclass(frozen=True, slots=True)
class Watched:
    """A selected table, how its values are read, and up to where its copy has them already.

    A transaction that commits before `copied_at` in the log, and whose number is below `xmin`,
    was seen by the copy.
    """

    table: SourceTable
    found: LoggedTable
    values: Sequence[ColumnValues]
    copied_at: int = 0
    xmin: int | None = None

    def has(self, transaction: Begin) -> bool:
        """Whether the copy has what this transaction did."""
        if self.xmin is None or transaction.commit_at >= self.copied_at:
            return False
        return not pgoutput.is_from(transaction.xid, self.xmin)


class Decoder:
    """Takes messages one by one; `taken` gives what has gathered."""

    def __init__(
        self,
        watched: Mapping[tuple[str, str], Watched],
        after: int,
        relations: dict[bytes, Relation],
    ) -> None:
        """Transactions that begin to commit before `after` were applied before.

        `relations` are those that are known by now; those that become known are added.
        """
        self.torn: dict[SelectedTable, str] = {}
        # How much has gathered, whether its last transaction goes on, and where the last one ends.
        self.rows = 0
        self.bytes = 0
        self.is_open = False
        self.end = after
        self.as_of = BEGINNING
        self._watched = watched
        self._after = after
        self._copied_at = max((each.copied_at for each in watched.values()), default=0)
        self._gathered: dict[bytes, _Gathered] = {}
        # Those whose changes of this transaction count; and those of before a table was altered.
        self._counting: dict[bytes, _Gathered] = {}
        self._former: list[_Gathered] = []
        self._begun = Begin(0, BEGINNING, 0)
        self._at = 0
        self._relations = relations
        for relation in list(relations.values()):
            self._relate(relation)

    def take(self, message: bytes) -> None:
        """Gather what this message says."""
        kind = message[0]
        if kind in (INSERT, UPDATE, DELETE):
            gathered = self._counting.get(message[1:5])
            if gathered is not None:
                self.bytes += len(message) + ROW_BYTES
                self._take_row(kind, message, gathered)
        elif kind == BEGIN:
            self._begin(pgoutput.begin(message))
        elif kind == COMMIT:
            self.end = max(self.end, pgoutput.committed(message))
            self.is_open = False
        elif kind == RELATION:
            self._relate(pgoutput.relation(message))
        elif kind == TRUNCATE:
            for relation in pgoutput.truncated(message):
                if gathered := self._counting.get(relation):
                    self._add(gathered, EMPTIED, [None] * len(gathered.relation.columns))

    def taken(self) -> tuple[Changes, ...]:
        """What has gathered since it was asked last."""
        every = [*self._former, *self._gathered.values()]
        self._former = []
        self.bytes = 0
        return tuple(gathered.taken() for gathered in every if gathered.rows)

    def _take_row(self, kind: int, message: bytes, gathered: _Gathered) -> None:
        at = TUPLE_AT
        if kind == UPDATE and message[TUPLE_AT - 1] != NEW:
            old, _, at = pgoutput.row(message, TUPLE_AT)
            self._add(gathered, MOVED, old)
            at += 1
        values, unchanged, _ = pgoutput.row(message, at)
        self._add(gathered, GONE if kind == DELETE else WRITTEN, values, unchanged)

    def _add(
        self,
        gathered: _Gathered,
        operation: int,
        values: Sequence[bytes | None],
        unchanged: int = 0,
    ) -> None:
        if gathered.differs:
            self.torn[gathered.watched.table.selected] = gathered.differs
            return
        self.rows += 1
        gathered.rows.append((operation, self.rows, self._at, unchanged, values))

    def _begin(self, begun: Begin) -> None:
        self.is_open = True
        self.as_of = max(self.as_of, begun.at)
        self._at = (begun.at - BEGINNING) // RESOLUTION
        self._begun = begun
        if begun.commit_at < self._after:
            self._counting = {}
        elif begun.commit_at < self._copied_at:
            self._counting = {
                id_: gathered
                for id_, gathered in self._gathered.items()
                if not gathered.watched.has(begun)
            }
        else:
            self._counting = self._gathered

    def _relate(self, relation: Relation) -> None:
        """A table is described before its first change, and again after each alteration."""
        self._relations[relation.id] = relation
        before = self._gathered.pop(relation.id, None)
        self._counting.pop(relation.id, None)
        watched = self._watched.get((relation.schema, relation.name))
        if watched is None:
            return
        if before is None or before.relation != relation:
            self._former += [before] if before is not None else []
            before = _Gathered(watched, relation)
        self._gathered[relation.id] = before
        if self._begun.commit_at >= self._after and not watched.has(self._begun):
            self._counting[relation.id] = before


@dataclass(slots=True)
class _Gathered:
    """Changes of one table, as it was described."""

    watched: Watched
    relation: Relation
    rows: list[Row] = field(default_factory=list)
    differs: str = ""
    # Per selected column, where its value stands in a row.
    places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        there = {name: place for place, (name, _, _) in enumerate(self.relation.columns)}
        selected = self.watched.table.selected
        for name in selected.columns:
            column = self.watched.found.columns[name]
            place = there.get(name)
            if place is None or self.relation.columns[place][1:] != (column.type_id, column.typmod):
                self.differs = f"The table '{selected.label}' was altered at the source."
                return
            self.places.append(place)

    def taken(self) -> Changes:
        """The rows as one Arrow table, and none any more here."""
        rows, self.rows = self.rows, []
        operations, orders, times, unchanged, values = zip(*rows, strict=True)
        columns = list(zip(*values, strict=True))
        arrays = {
            "_op": pa.array(operations, pa.int8()),
            "_order": pa.array(orders, pa.int64()),
            "_at": pa.array(times, pa.timestamp("us")),
            "_unchanged": self._selected_bits(unchanged),
        }
        lost = {}
        for place, read in zip(self.places, self.watched.values, strict=True):
            name = read.column.name
            arrays[name], count = read.arrow(columns[place])
            if count:
                lost[name] = count
        return Changes(self.watched.table, pa.table(arrays), lost)

    def _selected_bits(self, masks: Sequence[int]) -> pa.Array:
        """The masks, whose bits are a row's places, by the selection's order."""
        ours = {
            mask: sum(1 << bit for bit, place in enumerate(self.places) if mask >> place & 1)
            for mask in set(masks)
        }
        return pa.array(map(ours.__getitem__, masks), pa.int64())
