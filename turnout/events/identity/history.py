"""Histories as runs: for each key, the stretches of time in which it showed one value.

Runs are kept, not sightings: most keys show one value all their life and have one row, however
many events say so. A sighting widens a run or stands between two. Only one that comes late, into
the middle of another value's run, needs what was seen there: then the key is made again from the
stored events. So runs follow from the set of all sightings, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.identity.calls import Calls
from turnout.events.identity.desk import Desk
from turnout.warehouse import Table

# For some values of the column `who`: all sightings that the stored events hold, as of calls.
Remember = Callable[[pa.Array], pa.Table]


@dataclass(frozen=True, slots=True)
class Change:
    """New runs of the keys that changed, and all that was there `before` of those asked for.

    `single` are those of keys that have only ever shown one value, `parted` those of the others.
    """

    single: pa.Table
    parted: pa.Table
    before: pa.Table


@dataclass(frozen=True, slots=True)
class History:
    """One kind of history: its table of runs, and the columns that make key and value.

    `who` is the key's column by which rows are found, `carried` columns that a run has from its
    first sighting. A key with more than `values_max` values is kept as one run for each.
    """

    table: Table
    key: tuple[str, ...]
    value: str
    who: str
    carried: tuple[str, ...] = ()
    values_max: int = 2**31

    def change(self, desk: Desk, calls: Calls, sightings: str, remember: Remember) -> Change | None:
        """What the `sightings` (a SELECT over `calls`) change; None for nothing."""
        ends = calls.table(self._ends(f"({sightings})"))
        if not ends.num_rows:
            return None
        before = desk.among(self.table, self.who, pc.unique(ends[self.who]))
        known = {"ends": ends, "before": before}
        if before.num_rows:
            ends = known["ends"] = desk.engine.table(self._widened(), **known)
        contested = ends.filter(pc.field(self.value) != pc.field("other"))
        single = ends.filter(pc.field(self.value) == pc.field("other")).drop_columns("other")
        if before.num_rows:
            single = desk.engine.table(self._changed(), single=single, before=before)
        parted = single.slice(0, 0)
        if contested.num_rows:
            points = calls.table(self._among(f"({sightings})", "contested"), contested=contested)
            parted = self._parted(desk, contested, before, points, remember)
        return Change(single, parted, before) if single.num_rows or parted.num_rows else None

    def again(self, desk: Desk, keys: pa.Table, remember: Remember) -> pa.Table:
        """The runs of `keys` as the stored events alone say."""
        points = remember(pc.unique(keys[self.who]))
        points = desk.engine.table(self._among("points", "keys"), points=points, keys=keys)
        return desk.engine.table(self._islands(), points=points)

    def write(self, desk: Desk, change: Change) -> None:
        """Put the new runs in the place of the old ones."""
        rows = pa.concat_tables([change.single, change.parted])
        if change.before.num_rows:
            known = {"before": change.before, "runs": rows}
            old = desk.engine.table(
                f"SELECT before.* FROM before SEMI JOIN runs USING ({self.who})", **known
            )
            desk.delete(self.table, self.who, pc.unique(old[self.who]))
            # They are deleted by one column of the key: what shares it only is put back.
            known["old"] = old
            rows = desk.engine.table(
                "SELECT * FROM runs UNION ALL BY NAME "
                f"SELECT * FROM old ANTI JOIN runs USING ({self._keys})",
                **known,
            )
        desk.transaction.append(self.table, rows)

    @property
    def _keys(self) -> str:
        return ", ".join(self.key)

    @property
    def _columns(self) -> str:
        return ", ".join((*self.key, self.value, *self.carried))

    def _runs_of(self, points: str, and_by: str = "") -> str:
        """The runs of `points`, when those of one key and value are one run."""
        carried = self._carried("seen_at")
        return (
            f"SELECT {self._keys}, {self.value}{carried}, "
            f"min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at "
            f"FROM {points} GROUP BY {self._keys}, {self.value}{and_by}"
        )

    def _among(self, points: str, keys: str) -> str:
        return (
            f"SELECT {self._columns}, seen_at FROM {points} SEMI JOIN {keys} USING ({self._keys})"
        )

    def _carried(self, time: str) -> str:
        """Of the first; of two at the same time, the shortest (comparing pairs is slow)."""
        return "".join(
            f", arg_min({name}, epoch_us({time}) * 32 + length({name})) AS {name}"
            for name in self.carried
        )

    def _ends(self, sightings: str) -> str:
        """Of each key one row: its smallest value and its largest, from when to when."""
        carried = self._carried("seen_at")
        return (
            f"SELECT {self._keys}, min({self.value}) AS {self.value}, max({self.value}) AS other"
            f"{carried}, min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at "
            f"FROM {sightings} GROUP BY {self._keys}"
        )

    def _widened(self) -> str:
        """The same of what was there before and what is new."""
        carried = self._carried("first_seen_at")
        columns = f"{self._columns}, first_seen_at, last_seen_at"
        return (
            f"SELECT {self._keys}, min({self.value}) AS {self.value}, max(other) AS other"
            f"{carried}, min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at "
            f"FROM (SELECT {columns}, other FROM ends UNION ALL "
            f"SELECT {columns}, {self.value} FROM before SEMI JOIN ends USING ({self._keys})) "
            f"GROUP BY {self._keys}"
        )

    def _changed(self) -> str:
        return (
            "SELECT single.* FROM single ANTI JOIN before "
            f"USING ({self._keys}, {self.value}, first_seen_at, last_seen_at)"
        )

    def _parted(
        self,
        desk: Desk,
        contested: pa.Table,
        before: pa.Table,
        points: pa.Table,
        remember: Remember,
    ) -> pa.Table:
        """The runs of contested keys: from the old runs' ends and the new points, or again."""
        known = {"points": points, "before": before}
        late = desk.engine.table(self._late(), **known)
        ends = " UNION ALL ".join(
            f"SELECT {self._columns}, {at} AS seen_at FROM before SEMI JOIN contested "
            f"USING ({self._keys})"
            for at in ("first_seen_at", "last_seen_at")
        )
        points = desk.engine.table(
            f"SELECT * FROM (SELECT * FROM points UNION ALL BY NAME {ends}) "
            f"ANTI JOIN late USING ({self._keys})",
            **known,
            contested=contested,
            late=late,
        )
        runs = desk.engine.table(self._islands(), points=points)
        return pa.concat_tables([runs, self.again(desk, late, remember)]) if late else runs

    def _late(self) -> str:
        """The keys with a point inside another value's run; a crowd's runs mean nothing."""
        same = " AND ".join(f"points.{name} = before.{name}" for name in self.key)
        point, first, last = (
            f"({source}.{at}, {source}.{self.value})"
            for source, at in (
                ("points", "seen_at"),
                ("before", "first_seen_at"),
                ("before", "last_seen_at"),
            )
        )
        return (
            f"SELECT DISTINCT {self._keys} FROM points SEMI JOIN before "
            f"ON {same} AND points.{self.value} <> before.{self.value} "
            f"AND {point} > {first} AND {point} < {last} "
            f"ANTI JOIN (SELECT {self._keys} FROM before GROUP BY {self._keys} "
            f"HAVING count(DISTINCT {self.value}) > {self.values_max}) USING ({self._keys})"
        )

    def _islands(self) -> str:
        """Points → runs: in the order of time, then of value, each change of value begins one."""
        in_order = f"(PARTITION BY {self._keys} ORDER BY seen_at, {self.value})"
        return self._runs_of(
            f"""(
            SELECT *, CASE WHEN is_crowd THEN 0
                ELSE sum(begins) OVER {in_order[:-1]} ROWS UNBOUNDED PRECEDING) END AS run
            FROM (
                SELECT *, count(DISTINCT {self.value}) OVER (PARTITION BY {self._keys})
                    > {self.values_max} AS is_crowd,
                    CAST({self.value} IS DISTINCT FROM lag({self.value}) OVER {in_order} AS INT)
                    AS begins
                FROM points))""",
            ", run",
        )
