"""The books about loading, written in the transaction of the rows they speak of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from turnout import meters
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.loading.writing import failing_in
from turnout.warehouse import Dialect, Table, Transaction

FATES = ("stored", "duplicates", "rejected")
OUTCOMES = dict(zip(FATES, ("stored", "duplicate", "rejected"), strict=True))
HOUR = "date_trunc('hour', coalesce(received_at, loaded_at))"
# Of each source in each hour, what came and what became of it.
COUNTS_SQL = f"""
    SELECT source, hour, received, received - duplicates - rejected AS stored,
        duplicates, rejected
    FROM (
        SELECT coalesce(source, '') AS source, hour, sum(received)::BIGINT AS received,
            sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected
        FROM (
            SELECT source, hour, received, 0 AS duplicates, 0 AS rejected FROM arrivals
            UNION ALL SELECT source, {HOUR}, 0, 1, 0 FROM repeats
            UNION ALL SELECT source, {HOUR}, 0, 0, 1 FROM rejected)
        GROUP BY ALL)
"""
ADDED_SQL = f"""
    SELECT source, hour, sum(received)::BIGINT AS received,
        {", ".join(f"sum({name})::BIGINT AS {name}" for name in FATES)}
    FROM (FROM new UNION ALL BY NAME FROM known) GROUP BY source, hour
"""
Notice = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Load:
    """What one load did: received = stored + duplicates + rejected.

    `ahead` of the events say a time more than a day after their arrival.
    """

    received: int
    stored: int
    duplicates: int
    rejected: int
    bytes: int
    duration_s: float
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What came of some lines: rows for the books, which are not written yet.

    `arrivals` has source, hour, received and ahead; a notice is subject, reason and sentence.
    """

    arrivals: pa.Table
    rejected: pa.Table
    repeats: pa.Table
    discarded: pa.Table
    notices: Sequence[Notice] = ()


class Books:
    """Keeps the books of one load within its open transaction."""

    def __init__(
        self, transaction: Transaction, dialect: Dialect, engine: Engine, loaded_at: datetime
    ) -> None:
        self._transaction = transaction
        self._dialect = dialect
        self._engine = engine
        self._at = loaded_at.replace(tzinfo=None)

    def keep(self, parts: Sequence[Part]) -> pa.Table:
        """What was rejected, what came again, and how much; the new rows of `source_counts`."""
        arrivals, rejected, repeats = (
            pa.concat_tables([getattr(part, name) for part in parts], promote_options="default")
            for name in ("arrivals", "rejected", "repeats")
        )
        self._append(layout.REJECTED, rejected)
        self._append(layout.DUPLICATES, repeats)
        counts = self._engine.table(
            COUNTS_SQL, arrivals=arrivals, rejected=rejected, repeats=repeats
        )
        self._add(counts)
        self._notice([notice for part in parts for notice in part.notices])
        return counts

    def record(self, load: Load, positions: Mapping[str, int]) -> None:
        """How far the journal is loaded, and what this load did."""
        offsets = [
            {"segment": segment, "position": position, "updated_at": self._at}
            for segment, position in positions.items()
        ]
        with failing_in(layout.OFFSETS):
            self._transaction.merge(layout.OFFSETS, pa.Table.from_pylist(offsets))
        if load.received:
            row = {"loaded_at": self._at, **asdict(load)}
            self._append(layout.LOADS, pa.Table.from_pylist([row]))

    def _append(self, table: Table, rows: pa.Table) -> None:
        if rows.num_rows:
            with failing_in(table):
                self._transaction.append(table, rows)

    def _add(self, counts: pa.Table) -> None:
        """`counts` onto those that are in the books for the same hours."""
        if not counts.num_rows:
            return
        table = layout.SOURCE_COUNTS
        with failing_in(table):
            known = self._transaction.execute(
                f"SELECT * FROM {self._dialect.table(table.schema, table.name)} WHERE hour >= ?",
                [min(counts["hour"].to_pylist())],
            )
            keys = counts.select(["source", "hour"])
            known = known.join(keys, ["source", "hour"], join_type="left semi")
            self._transaction.merge(table, self._engine.table(ADDED_SQL, new=counts, known=known))

    def _notice(self, notices: Sequence[Notice]) -> None:
        """Each is said once, however often it is met."""
        rows: list[dict[str, Any]] = [
            {"subject": subject, "reason": reason, "sentence": sentence, "noticed_at": self._at}
            for subject, reason, sentence in notices
        ]
        self._append(layout.NOTICES, pa.Table.from_pylist(rows))


def count(counts: pa.Table, parts: Sequence[Part], duration_s: float) -> None:
    """What a committed load did, for whoever watches."""
    for row in counts.to_pylist():
        for name, outcome in OUTCOMES.items():
            if row[name]:
                meters.EVENTS.add(row["source"], outcome, amount=row[name])
    for part in parts:
        for labels, table in ((("source", "reason"), part.rejected), (("source",), part.discarded)):
            groups = table.group_by(list(labels)).aggregate([([], "count_all")])
            meter = meters.REJECTED if len(labels) > 1 else meters.DISCARDED
            for group in groups.to_pylist():
                meter.add(*(group[label] or "" for label in labels), amount=group["count_all"])
    meters.LOAD_SECONDS.observe(duration_s)
