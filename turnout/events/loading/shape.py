"""Journal lines → rows of every table, set by set, in a DuckDB that lives in memory.

No Python runs per event: lines become one Arrow column; the messages of each table are looked
at together (which paths, which kinds of values), planned, and selected. The warehouse, whatever
engine it is, only receives Arrow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from turnout.events.engine import Engine
from turnout.events.loading import once, spread, traits
from turnout.events.loading.family import Exact, Family, FamilyShaper, Work
from turnout.events.loading.head import message_sql, split_lines
from turnout.events.loading.plan import COLUMNS_MAX
from turnout.events.loading.routing import (
    EVENT_TABLES_MAX,
    Catalog,
    Target,
    as_rows,
    choose_targets,
)
from turnout.events.loading.structure import Structure

HEAD_CHARS_MAX = 4_096
# Rows further ahead of their arrival are counted.
AHEAD_MAX = "INTERVAL 24 HOURS"
TABLES_FULL, COLUMNS_FULL = "event_tables_max", "columns_max"
TABLES_SENTENCE = (
    f"There are {EVENT_TABLES_MAX:,} event tables; events of other names are in tracks only. "
    "Names that are made of numbers or ids are the usual cause."
)
COLUMNS_SENTENCE = (
    f"The table has {COLUMNS_MAX} columns; other properties are in _rescued only. "
    "Keys that are made of numbers or ids are the usual cause."
)


_TIME = pa.timestamp("us")
_KEPT = {"id": pa.string(), "source": pa.string(), "schema_name": pa.string(), "received_at": _TIME}
NO_REPEATS = pa.schema(_KEPT | {"loaded_at": _TIME}).empty_table()
NO_REJECTED = pa.schema(
    _KEPT | {"reason": pa.string(), "head": pa.string(), "loaded_at": _TIME}
).empty_table()
SIGNS_SQL = f"""
    SELECT count(*), count(key) FILTER (route IS NOT NULL)
            > count(DISTINCT key) FILTER (route IS NOT NULL),
        count(*) FILTER (is_duplicate) > 0,
        count(reason) > 0,
        count(bad_time) FILTER (route IS NOT NULL) > 0,
        count(*) FILTER (contains(context, '{spread.SIGN}') OR contains(part, '{spread.SIGN}')) > 0,
        count(*) FILTER (type = 'identify' AND contains(context, '"traits":')) > 0
    FROM message
"""


class Signs(NamedTuple):
    """How many messages there are, and what may have to be done about some of them."""

    messages: int
    of_repeats: bool
    of_duplicates: bool
    of_rejected: bool
    of_bad_times: bool
    of_spread: bool
    of_traits: bool


@dataclass(slots=True)
class Unit:
    """All that one load writes, before the warehouse says which messages it has already.

    `repeats` were known at the door, or came twice in this unit; `arrivals` says how many came, by
    source and hour. `crowded` are the schemas that may have no more event tables.
    """

    arrivals: pa.Table
    rejected: pa.Table
    repeats: pa.Table
    families: list[Family] = field(default_factory=list)
    crowded: set[str] = field(default_factory=set)

    def catalog_after(self, catalog: Catalog) -> Catalog:
        """What the tables that messages go to are once this unit is written."""
        after = {schema: dict(tables) for schema, tables in catalog.items()}
        for family in self.families:
            for shaped in (family.base, *family.details):
                table = shaped.plan.wanted
                after.setdefault(table.schema, {})[table.name] = table
        return after

    @property
    def notices(self) -> list[tuple[str, str, str]]:
        """What somebody should know: subject, reason and sentence."""
        told = [(schema, TABLES_FULL, TABLES_SENTENCE) for schema in sorted(self.crowded)]
        for family in self.families:
            for shaped in (family.base, *family.details):
                if shaped.plan.is_full:
                    table = shaped.plan.table
                    told.append((f"{table.schema}.{table.name}", COLUMNS_FULL, COLUMNS_SENTENCE))
        return told


class Shaper:
    """The shaping engine. One unit at a time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._structure = Structure(self.engine)

    def close(self) -> None:
        self.engine.close()

    def shape(
        self, text: bytes, catalog: Catalog, loaded_at: datetime, exact: Exact = frozenset()
    ) -> Unit:
        """All rows of the lines in `text`, planned for the tables that `catalog` has.

        The columns in `exact` are never widened.
        """
        lines = once.mended(self.engine, split_lines(text))
        at = f"TIMESTAMP '{loaded_at:%Y-%m-%d %H:%M:%S.%f}'"
        broken = self._read_heads(lines, at)
        signs = self._signs()
        if signs.of_spread:
            spread.mend(self.engine)
        if signs.of_traits:
            traits.gather(self.engine)
        if signs.of_repeats:
            self._set_repeats_aside()
        targets = self._targets(catalog)
        unit = self._unit(signs, broken, at)
        unit.crowded = {target.schema for target in targets if not target.has_table and target.name}
        work = self._work(signs, loaded_at, exact)
        for (schema, type_), members in itertools.groupby(
            targets, key=lambda target: (target.schema, target.type)
        ):
            family = FamilyShaper(work, schema, type_, catalog.get(schema, {}))
            unit.families.append(family.shape(list(members)))
        return unit

    def _read_heads(self, lines: pa.Table, at: str) -> pa.Table | None:
        """Fill `message`; what is no JSON comes back, to be rejected."""
        try:
            self.engine.execute(message_sql("lines"), lines=lines)
        except duckdb.InvalidInputException:
            # The journal holds such a line, so it may not hold up the others.
            self.engine.execute(
                "CREATE OR REPLACE TABLE whole AS SELECT line FROM lines WHERE json_valid(line)",
                lines=lines,
            )
            self.engine.execute(message_sql("whole"))
            return self.engine.table(
                "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS source, "
                f"{at} AS received_at, 'not_json' AS reason, {at} AS loaded_at, "
                f"left(line, {HEAD_CHARS_MAX}) AS head FROM lines WHERE NOT json_valid(line)",
                lines=lines,
            )
        return None

    def _signs(self) -> Signs:
        """One look at all messages saves many that would find nothing."""
        [found] = self.engine.rows(SIGNS_SQL)
        return Signs(*found)

    def _set_repeats_aside(self) -> None:
        """Of messages with one id in one table only the first keeps its route."""
        self.engine.execute(
            "UPDATE message SET route = NULL, is_duplicate = true "
            "WHERE route IS NOT NULL AND rowid NOT IN (SELECT min(rowid) FROM message "
            "WHERE route IS NOT NULL GROUP BY schema, type, id)"
        )

    def _targets(self, catalog: Catalog) -> list[Target]:
        """Where the messages go, sorted by table; for joining also as the table `routes`."""
        kinds = self.engine.rows(
            "SELECT DISTINCT schema, type, event, route FROM message "
            "WHERE route IS NOT NULL ORDER BY ALL"
        )
        if len({route for *_, route in kinds}) < len(kinds):
            raise RouteTaken
        targets = choose_targets([(kind[0], kind[1], kind[2], kind[3]) for kind in kinds], catalog)
        self.engine.execute("CREATE OR REPLACE TABLE routes AS FROM given", given=as_rows(targets))
        return targets

    def _unit(self, signs: Signs, broken: pa.Table | None, at: str) -> Unit:
        """What the books will say, before any row is shaped."""
        kept = "id, source, schema AS schema_name, received_at"
        rejected, repeats = NO_REJECTED, NO_REPEATS
        if signs.of_rejected:
            rejected = self.engine.table(
                f"SELECT {kept}, reason, head, {at} AS loaded_at FROM message "
                "WHERE reason IS NOT NULL"
            )
        if signs.of_repeats or signs.of_duplicates:
            repeats = self.engine.table(
                f"SELECT {kept}, {at} AS loaded_at FROM message WHERE is_duplicate"
            )
        arrivals = self.engine.table(
            f"SELECT source, date_trunc('hour', coalesce(received_at, {at})) AS hour, "
            "count(*) AS received, count(*) FILTER (route IS NOT NULL "
            f'AND "timestamp" > received_at + {AHEAD_MAX}) AS ahead FROM message GROUP BY ALL'
        )
        if broken is not None:
            rejected = pa.concat_tables([rejected, broken], promote_options="default")
            arrivals = pa.concat_tables([arrivals, arrivals_of(self.engine, broken)])
        return Unit(arrivals, rejected, repeats)

    def _work(self, signs: Signs, loaded_at: datetime, exact: Exact) -> Work:
        looks = self._structure.look(signs.messages)
        bad_times = signs.of_bad_times
        return Work(self.engine, self._structure, looks, exact, loaded_at, has_bad_times=bad_times)


def arrivals_of(engine: Engine, rejected: pa.Table) -> pa.Table:
    """How many came, by source and hour, of events that nothing but their rejection is known of."""
    return engine.table(
        "SELECT source, date_trunc('hour', coalesce(received_at, loaded_at)) AS hour, "
        "count(*) AS received, 0::BIGINT AS ahead FROM rejected GROUP BY ALL",
        rejected=rejected,
    )


class RouteTaken(Exception):
    """Two kinds of messages have one route; half of the lines may not have both."""
