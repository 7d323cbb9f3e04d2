"""Journal lines → rows of every table, set by set, in a DuckDB that lives in memory.

No Python runs per event: lines become one Arrow column; the messages of each table are looked
at together (which paths, which kinds of values), planned, and selected. The warehouse, whatever
engine it is, only receives Arrow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import pyarrow as pa

from turnout.events.discovery import Discovery
from turnout.events.engine import Engine
from turnout.events.family import Family, FamilyShaper, Work
from turnout.events.head import message_sql, split_lines
from turnout.events.routing import Catalog, Target, as_rows, choose_targets

HEAD_CHARS_MAX = 4_096


@dataclass(slots=True)
class Unit:
    """All that one load writes, before the warehouse says which messages it has already."""

    received: int
    rejected: pa.Table
    repeats: pa.Table
    families: list[Family] = field(default_factory=list)


class Shaper:
    """The shaping engine. One unit at a time."""

    def __init__(self) -> None:
        self.engine = Engine()
        self._discovery = Discovery(self.engine)

    def close(self) -> None:
        self.engine.close()

    def shape(self, text: bytes, catalog: Catalog, loaded_at: datetime) -> Unit:
        """All rows of the lines in `text`, planned for the tables that `catalog` has."""
        lines = split_lines(text)
        rejected = self._read_heads(lines, loaded_at)
        targets = self._route(catalog)
        [(bad_times,)] = self.engine.rows("SELECT count(bad_time) FROM routed")
        repeats = self.engine.table(
            "SELECT id, source, schema AS schema_name, received_at, ?::TIMESTAMP AS loaded_at "
            "FROM message WHERE is_duplicate",
            [loaded_at.replace(tzinfo=None)],
        )
        unit = Unit(lines.num_rows, rejected, repeats)
        work = Work(self.engine, self._discovery, loaded_at, bad_times > 0)
        for (schema, type_), members in itertools.groupby(
            targets, key=lambda target: (target.schema, target.type)
        ):
            family = FamilyShaper(work, schema, type_, catalog.get(schema, {}))
            unit.families.append(family.shape(list(members)))
        return unit

    def _read_heads(self, lines: pa.Table, loaded_at: datetime) -> pa.Table:
        """Fill `message`; the rejected events come back."""
        broken = None
        try:
            self.engine.execute(message_sql("lines"), lines=lines)
        except duckdb.InvalidInputException:
            # A line that is no JSON. The journal holds it, so it may not hold up the others.
            broken = self._set_broken_aside(lines, loaded_at)
            self.engine.execute(message_sql("whole"))
        rejected = self.engine.table(
            "SELECT id, source, schema AS schema_name, received_at, "
            "coalesce(reason, 'unknown_type') AS reason, "
            "json_extract_string(line, '/head') AS head, ?::TIMESTAMP AS loaded_at "
            "FROM message WHERE base IS NULL AND is_duplicate IS DISTINCT FROM true",
            [loaded_at.replace(tzinfo=None)],
        )
        return rejected if broken is None else pa.concat_tables([rejected, broken])

    def _set_broken_aside(self, lines: pa.Table, loaded_at: datetime) -> pa.Table:
        self.engine.execute(
            "CREATE OR REPLACE TABLE whole AS SELECT line FROM lines WHERE json_valid(line)",
            lines=lines,
        )
        return self.engine.table(
            "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS source, NULL::VARCHAR AS schema_name, "
            "$1::TIMESTAMP AS received_at, 'not_json' AS reason, "
            f"left(line, {HEAD_CHARS_MAX}) AS head, $1::TIMESTAMP AS loaded_at "
            "FROM lines WHERE NOT json_valid(line)",
            [loaded_at.replace(tzinfo=None)],
            lines=lines,
        )

    def _route(self, catalog: Catalog) -> list[Target]:
        """Fill `routed`, each message once with its target; the targets, sorted by table."""
        kinds = self.engine.rows(
            "SELECT DISTINCT schema, type, event FROM message WHERE base IS NOT NULL ORDER BY ALL"
        )
        targets = choose_targets([(kind[0], kind[1], kind[2]) for kind in kinds], catalog)
        firsts = ""
        if self._has_repeats():
            firsts = (
                " AND message.rowid IN (SELECT min(rowid) FROM message "
                "WHERE base IS NOT NULL GROUP BY schema, base, id)"
            )
        self.engine.execute(
            "CREATE OR REPLACE TABLE routed AS SELECT message.*, target, event_table "
            "FROM message JOIN targets USING (schema, type, event) "
            f"WHERE base IS NOT NULL{firsts}",
            targets=as_rows(targets),
        )
        # A name that only repeats came under has nothing left to load.
        left = {number for (number,) in self.engine.rows("SELECT DISTINCT target FROM routed")}
        return sorted(
            {target for target in targets.values() if target.number in left},
            key=lambda target: (target.schema, target.type, target.number),
        )

    def _has_repeats(self) -> bool:
        [(answer,)] = self.engine.rows(
            "SELECT count(*) > count(DISTINCT hash(schema, base, id)) FROM message "
            "WHERE base IS NOT NULL"
        )
        return bool(answer)
