"""Messages of the log, gathered into Arrow tables: one for each selected table.

Here alone Python looks at every row. A row's values are cut out of its message as bytes, and
become columns together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
OPERATIONS = {INSERT: WRITTEN, UPDATE: WRITTEN, DELETE: GONE}
ROWS = frozenset(OPERATIONS)
# How many numbers there are of a change.
FACTS = 4
# Of so many columns one number can say by its bits which did not change.
NUMBER_BITS = 63
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
RESOLUTION = timedelta(microseconds=1)

# What a row costs here besides its values.
ROW_BYTES = 100


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
        if kind in ROWS:
            gathered = self._counting.get(message[1:5])
            if gathered is None:
                return
            if gathered.differs:
                self.torn[gathered.watched.table.selected] = gathered.differs
                return
            self.bytes += len(message) + ROW_BYTES
            at = TUPLE_AT
            if kind == UPDATE and message[TUPLE_AT - 1] != NEW:
                self.rows += 1
                at = 1 + gathered.add((MOVED, self.rows, self._at), message, at)
            self.rows += 1
            gathered.add((OPERATIONS[kind], self.rows, self._at), message, at)
        else:
            self._take_other(kind, message)

    def taken(self) -> tuple[Changes, ...]:
        """What has gathered since it was asked last."""
        every = [*self._former, *self._gathered.values()]
        self._former = []
        self.bytes = 0
        return tuple(gathered.taken() for gathered in every if gathered.facts)

    def _take_other(self, kind: int, message: bytes) -> None:
        if kind == BEGIN:
            self._begin(pgoutput.begin(message))
        elif kind == COMMIT:
            self.end = max(self.end, pgoutput.committed(message))
            self.is_open = False
        elif kind == RELATION:
            self._relate(pgoutput.relation(message))
        elif kind == TRUNCATE:
            for relation in pgoutput.truncated(message):
                if gathered := self._counting.get(relation):
                    self.rows += 1
                    gathered.add_emptied((EMPTIED, self.rows, self._at))

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
    """Changes of one table, as it was described.

    All in two flat lists: a list for each row would have the interpreter look after millions.
    """

    watched: Watched
    relation: Relation
    # Per change: operation, order, microseconds since 1970, what is unchanged; and its values.
    facts: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
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

    def add(self, change: tuple[int, int, int], message: bytes, at: int) -> int:
        """Add the row that begins there; where it ends."""
        unchanged, end = pgoutput.row(message, at, self.values)
        self.facts += change
        self.facts.append(unchanged)
        return end

    def add_emptied(self, change: tuple[int, int, int]) -> None:
        """Add that no row is left."""
        self.facts += (*change, 0)
        self.values += [None] * len(self.relation.columns)

    def taken(self) -> Changes:
        """The changes as one Arrow table, and none any more here."""
        facts, self.facts = self.facts, []
        values, self.values = self.values, []
        arrays = {
            "_op": pa.array(facts[0::FACTS], pa.int8()),
            "_order": pa.array(facts[1::FACTS], pa.int64()),
            "_at": pa.array(facts[2::FACTS], pa.int64()).cast(pa.timestamp("us")),
            "_unchanged": self._selected_bits(facts[3::FACTS]),
        }
        lost = {}
        width = len(self.relation.columns)
        for place, read in zip(self.places, self.watched.values, strict=True):
            name = read.column.name
            arrays[name], count = read.arrow(values[place::width])
            if count:
                lost[name] = count
        return Changes(self.watched.table, pa.table(arrays), lost)

    def _selected_bits(self, masks: Sequence[int]) -> pa.Array:
        """The masks, whose bits are a row's places, by the selection's order."""
        is_wide = len(self.places) > NUMBER_BITS
        if not any(masks):
            nothing = pa.scalar(b"", pa.binary()) if is_wide else pa.scalar(0, pa.int64())
            return pa.repeat(nothing, len(masks))
        ours = {
            mask: sum(1 << bit for bit, place in enumerate(self.places) if mask >> place & 1)
            for mask in set(masks)
        }
        if not is_wide:
            return pa.array(map(ours.__getitem__, masks), pa.int64())
        as_bytes = {
            mask: bits.to_bytes((bits.bit_length() + 7) // 8, "little")
            for mask, bits in ours.items()
        }
        return pa.array(map(as_bytes.__getitem__, masks), pa.binary())
