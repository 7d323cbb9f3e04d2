"""Giving a column another type, by an administrator's word, and keeping to it.

Each row's value is read again from what is stored: the column, or `_rescued` where it did not fit.
What does not fit now goes to `_rescued` and `discards`; what fits now leaves them. Where a spelling
was lost (a time or a float that becomes text), the raw journal brings it back, as far as it
reaches. All in one transaction, in the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from turnout.errors import BadRequest, NotFound
from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.loading.expression import REASONS
from turnout.events.loading.family import Exact, column_namer
from turnout.events.loading.iso import time_sql
from turnout.events.loading.plan import Path
from turnout.events.loading.shape import Shaper
from turnout.events.loading.writing import LosesDigits
from turnout.events.upkeep import past
from turnout.events.upkeep.newest import rebuild_newest
from turnout.events.upkeep.past import TYPES, Selection
from turnout.events.upkeep.rebuilding import Rebuilding
from turnout.events.upkeep.upkeep import Report, Upkeep, find_table, now_utc
from turnout.warehouse import Column, Dialect, Table, Transaction, Type
from turnout.warehouse.duckdb import DIALECT

# The words people use, and ours.
WORDS = {
    "text": Type.TEXT,
    "integer": Type.INTEGER,
    "float": Type.FLOAT,
    "boolean": Type.BOOLEAN,
    "timestamp": Type.TIME,
    "json": Type.JSON,
}
# Types whose values may have been spelled in more ways than one.
RESPELLED = (Type.TIME, Type.FLOAT)
PIECE_BYTES = 16 * 1024 * 1024
MISFITS = "temp.retyped_misfits"
# What the engine takes for JSON and no other program does.
NO_JSON = r"\s*-?(?i:nan|inf|infinity)\s*"
NUMBER = r"-?\d+(\.\d+)?([eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Change:
    """A column of a table, and the type it is to have. `keys` are its names in `_rescued`."""

    table: Table
    old: Column
    new: Column
    keys: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.table.schema}.{self.table.name}"


def retype(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Make the column `column` (schema.table.column) one of `type`."""
    type_ = _type(str(parameters["type"]))
    work.load_all()
    table, column = _find(work.catalog(), str(parameters["column"]))
    if column.type is type_:
        return Report(f"{parameters['column']} is {parameters['type']} already.")
    work.tell("Reading what did not fit", 0, 0)
    change = Change(table, column, Column(column.name, type_), _keys(work, table, column.name))
    try:
        misfits, rebuilt = _retype(work, change, work.exact())
    finally:
        work.loader.refresh()
    return Report(_sentence(change, misfits, rebuilt), {"misfits": misfits}, changed=True)


def _retype(work: Upkeep, change: Change, exact: Exact) -> tuple[int, int]:
    """All of it in one transaction: how many values do not fit, and were read again."""
    dialect = work.warehouse.dialect
    try:
        with work.warehouse.transaction() as transaction:
            misfits = _convert(transaction, dialect, change)
            rebuilt = _respell(work, transaction, change, exact)
            _follow(transaction, dialect, change)
            transaction.merge(layout.RETYPED, _note(change))
    except LosesDigits as refusal:
        return _retype(work, change, exact | {refusal.column})
    return misfits, rebuilt


def value_sql(text: str, type_: Type) -> str:
    """What `text` says as a value of that type, or NULL when it does not say one exactly."""
    if type_ is Type.INTEGER:
        return (
            f"CASE WHEN regexp_full_match({text}, '-?\\d+(\\.0+)?') "
            f"THEN TRY_CAST(split_part({text}, '.', 1) AS BIGINT) END"
        )
    if type_ is Type.FLOAT:
        number = f"TRY_CAST({text} AS DOUBLE)"
        is_number = f"regexp_full_match({text}, '{NUMBER}') AND isfinite({number})"
        return f"CASE WHEN {is_number} THEN {number} END"
    if type_ is Type.BOOLEAN:
        return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if type_ is Type.TIME:
        return time_sql(text)
    return text


def _find(catalog: Mapping[str, Mapping[str, Table]], name: str) -> tuple[Table, Column]:
    where, _, column_name = name.rpartition(".")
    table = find_table(catalog, where)
    followed = {newest: calls for calls, (newest, _) in layout.LATEST.items()}
    if table.name in followed:
        calls = f"{table.schema}.{followed[table.name]}"
        raise BadRequest(
            f"{where} follows from {calls}.", hint=f"Retype {calls}.{column_name} instead."
        )
    column = table.column(column_name)
    if column is None:
        raise NotFound(
            f"{where} has no column '{column_name}'.",
            hint=f"It has: {', '.join(each.name for each in table.columns)}.",
        )
    own = layout.OWN_COLUMNS.get(table.name, layout.EVENT_COLUMNS)
    if any(each.name == column_name for each in own):
        raise BadRequest(f"{name} is one of Turnout's own columns; its type is fixed.")
    return table, column


def _type(word: str) -> Type:
    if word not in WORDS:
        raise BadRequest(f"There is no type '{word}'.", hint=f"Known: {', '.join(WORDS)}.")
    return WORDS[word]


def _keys(work: Upkeep, table: Table, column: str) -> tuple[str, ...]:
    """The spellings under which values of the column lie in `_rescued`."""
    name = work.warehouse.dialect.table(table.schema, table.name)
    found = work.warehouse.query(
        f"SELECT DISTINCT unnest(json_keys(_rescued)) AS key FROM {name} WHERE _rescued IS NOT NULL"
    )
    name_of = column_namer(TYPES.get(table.name, "track"))
    return tuple(key for key in sorted(found["key"].to_pylist()) if name_of(_path(key)) == column)


def _path(spelling: str) -> Path:
    keys = tuple(spelling.split("."))
    return Path(keys) if keys[0] == "context" and len(keys) > 1 else Path(("properties", *keys))


def _convert(transaction: Transaction, dialect: Dialect, change: Change) -> int:
    """Alter the column; how many values do not fit their new type.

    Into a row without a value comes the first of its rescued ones that fits.
    """
    name = dialect.table(change.table.schema, change.table.name)
    column = dialect.identifier(change.old.name)
    stored, brought = _stored_sql(column, change.old.type), _fitting_sql(change)
    value = value_sql(f"coalesce({stored}, {brought})", change.new.type)
    transaction.execute(
        f"CREATE OR REPLACE TEMP TABLE {MISFITS} AS SELECT id, received_at, _source AS source, "
        f"{stored} AS stored, {brought} AS brought, ({value}) IS NOT NULL AS fits, "
        f"CASE WHEN {stored} IS NULL THEN {_fitting_sql(change, is_key=True)} "
        f"ELSE {_free_key_sql(change)} END AS key FROM {name} "
        f"WHERE CASE WHEN {stored} IS NULL THEN {_has_rescued_sql(change)} "
        f"ELSE ({value}) IS NULL END"
    )
    as_json = f"CAST({_json_sql(value)} AS JSON)" if change.new.type is Type.JSON else value
    transaction.execute(
        f"ALTER TABLE {name} ALTER COLUMN {column} SET DATA TYPE "
        f"{dialect.type_name(change.new)} USING {as_json}"
    )
    _move_rescued(transaction, name, change)
    _move_discards(transaction, dialect, change)
    found = transaction.execute(f"SELECT count(*) AS n FROM {MISFITS} WHERE NOT fits")
    return int(found["n"][0].as_py())


def _stored_sql(column: str, type_: Type) -> str:
    """The stored value as it would be spelled."""
    if type_ is Type.TIME:
        return (
            f"regexp_replace(strftime({column}, '%Y-%m-%dT%H:%M:%S.%f'), '\\.?0{{6}}$', '') || 'Z'"
        )
    if type_ is Type.JSON:
        return f"json_extract_string({column}, '$')"
    if type_ is Type.TEXT:
        return f"nullif({column}, '')"
    return f"CAST({column} AS VARCHAR)"


def _rescued_sql(key: str) -> str:
    return f"json_extract_string(_rescued, {_pointer(key)})"


def _has_rescued_sql(change: Change) -> str:
    parts = [f"{_rescued_sql(key)} IS NOT NULL" for key in change.keys]
    return f"({' OR '.join(parts)})" if parts else "false"


def _fitting_sql(change: Change, *, is_key: bool = False) -> str:
    """Of a row's rescued values of the column, the first that fits; or its key."""
    cases = "".join(
        f" WHEN ({value_sql(_rescued_sql(key), change.new.type)}) IS NOT NULL "
        f"THEN {DIALECT.literal(key) if is_key else _rescued_sql(key)}"
        for key in change.keys
    )
    return f"CASE{cases} END" if cases else "CAST(NULL AS VARCHAR)"


def _free_key_sql(change: Change) -> str:
    """A spelling of the column under which a row has rescued nothing yet."""
    free = _spelling(change.old.name)
    while free in change.keys:
        free += "_"
    cases = "".join(
        f" WHEN {_rescued_sql(key)} IS NULL THEN {DIALECT.literal(key)}" for key in change.keys
    )
    return f"CASE{cases} ELSE {DIALECT.literal(free)} END" if cases else DIALECT.literal(free)


def _json_sql(text: str) -> str:
    """JSON out of a stored text: arrays and numbers as they are, other texts quoted."""
    is_json = f"json_valid({text}) AND NOT regexp_full_match({text}, '{NO_JSON}')"
    return f"CASE WHEN {is_json} THEN {text} ELSE CAST(to_json({text}) AS VARCHAR) END"


def _pointer(key: str) -> str:
    return DIALECT.literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _move_rescued(transaction: Transaction, name: str, change: Change) -> None:
    """What fits now leaves `_rescued`; what was stored and does not fit goes there."""
    less = "json_merge_patch(t._rescued, json_object(misfit.key, NULL))"
    added = f"json_object(misfit.key, {_json_of('misfit.stored', change.old.type)})"
    transaction.execute(
        f"UPDATE {name} AS t SET _rescued = CASE "
        f"WHEN misfit.fits THEN CAST(nullif(CAST({less} AS VARCHAR), '{{}}') AS JSON) "
        f"ELSE json_merge_patch(coalesce(t._rescued, '{{}}'), {added}) END "
        f"FROM {MISFITS} AS misfit "
        "WHERE t.id = misfit.id AND (misfit.fits OR misfit.stored IS NOT NULL)"
    )


def _json_of(stored: str, type_: Type) -> str:
    """The stored value, of an older type, as JSON."""
    if type_ in (Type.INTEGER, Type.FLOAT, Type.BOOLEAN, Type.JSON):
        return f"CAST({_json_sql(stored)} AS JSON)"
    return f"to_json({stored})"


def _spelling(column: str) -> str:
    """How `_rescued` names a column whose sender's spelling is not known any more."""
    return f"context.{column.removeprefix('context_')}" if column.startswith("context_") else column


def _move_discards(transaction: Transaction, dialect: Dialect, change: Change) -> None:
    discards = dialect.table(layout.DISCARDS.schema, layout.DISCARDS.name)
    reason = REASONS.get(change.new.type, "")
    mine = "table_name = ? AND column_name = ?"
    place = [change.label, change.old.name]
    transaction.execute(
        f"DELETE FROM {discards} WHERE {mine} AND (row_id, column_value) IN "
        f"(SELECT (id, brought) FROM {MISFITS} WHERE fits)",
        place,
    )
    known = ", ".join(map(DIALECT.literal, REASONS.values()))
    transaction.execute(
        f"UPDATE {discards} SET reason = ? WHERE {mine} AND reason IN ({known})", [reason, *place]
    )
    at = datetime.now(UTC).replace(tzinfo=None)
    transaction.execute(
        f"INSERT INTO {discards} BY NAME SELECT ? AS table_name, id AS row_id, ? AS column_name, "
        "stored AS column_value, ? AS reason, received_at, CAST(? AS TIMESTAMP) AS uuid_ts, source "
        f"FROM {MISFITS} WHERE NOT fits AND stored IS NOT NULL",
        [*place, reason, at],
    )


def _respell(work: Upkeep, transaction: Transaction, change: Change, exact: Exact) -> int:
    """Bring back from the journal what a type has not kept; how many events that were."""
    if change.new.type is not Type.TEXT or change.old.type not in RESPELLED:
        return 0
    wanted = Selection(change.table.schema, change.table.name)
    columns = tuple(
        change.new if each.name == change.old.name else each for each in change.table.columns
    )
    catalog = work.catalog()
    catalog[change.table.schema][change.table.name] = replace(change.table, columns=columns)
    engine, shaper, count, loaded_at = Engine(), Shaper(), 0, now_utc()
    rebuilding = Rebuilding(
        transaction, work.warehouse.dialect, shaper, work.identity(), catalog, exact=exact
    )
    folder, positions = work.journal_folder, work.loader.positions
    total, done = past.loaded_bytes(folder, positions), 0
    try:
        for piece in past.pieces(folder, positions, bytes_max=PIECE_BYTES):
            work.tell("Reading the journal", min(done, total), total)
            done += len(piece.text)
            if lines := past.picked(engine, piece.text, wanted):
                loaded_at = now_utc(loaded_at)
                count += rebuilding.rebuild(lines, loaded_at)
    finally:
        engine.close()
        shaper.close()
    return count


def _follow(transaction: Transaction, dialect: Dialect, change: Change) -> None:
    """Users follow their identifies, accounts their groups."""
    if change.table.name not in layout.LATEST:
        return
    newest, _ = layout.LATEST[change.table.name]
    name = dialect.table(change.table.schema, newest)
    transaction.execute(f"DELETE FROM {name}")
    transaction.execute(
        f"ALTER TABLE {name} ALTER COLUMN {dialect.identifier(change.old.name)} "
        f"SET DATA TYPE {dialect.type_name(change.new)} USING NULL"
    )
    columns = tuple(
        change.new if each.name == change.old.name else each for each in change.table.columns
    )
    rebuild_newest(transaction, dialect, replace(change.table, columns=columns))


def _note(change: Change) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "schema_name": change.table.schema,
                "table_name": change.table.name,
                "column_name": change.old.name,
                "type": change.new.type.value,
                "retyped_at": datetime.now(UTC).replace(tzinfo=None),
            }
        ]
    )


def _sentence(change: Change, misfits: int, rebuilt: int) -> str:
    word = next(word for word, type_ in WORDS.items() if type_ is change.new.type)
    said = f"{change.label}.{change.old.name} is {word} now"
    said += f"; {misfits:,} values do not fit and are in _rescued" if misfits else ""
    said += f"; {rebuilt:,} were read again from the journal" if rebuilt else ""
    return f"{said}. Later events keep to it."
