"""Files as a source. See `SourceDatabase`: what a live database shows, a dump of it shows too."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from turnout.errors import ConfigError, SourceRefused
from turnout.sync.dump.contents import Contents, read_files
from turnout.sync.dump.definition import DefinedTable, Name
from turnout.sync.dump.rows import FileRows
from turnout.sync.dump.values import Conversion, as_it_is, conversion, keys_only
from turnout.sync.postgres.types import reading
from turnout.sync.selection import SelectedTable
from turnout.sync.source import (
    WHOLE,
    ChangeStream,
    Instant,
    Keys,
    Part,
    Shape,
    SourceTable,
    Whole,
)
from turnout.warehouse import Column, Type

# Files have no history of a server that positions could speak of.
SERVER = "files"


class Dump:
    """Archives and scripts of pg_dump, CSV and Parquet files, as one source."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        table: str = "",
        as_of: datetime | None = None,
    ) -> None:
        """`table` is whose rows CSV and Parquet files hold, if their names do not say it.

        It is written as in the selection.

        `as_of` is when the files were written, where they do not say it themselves.
        """
        self._files = files
        self._table = table
        self._as_of = as_of

    @contextmanager
    def snapshot(
        self, selection: Sequence[SelectedTable], after: Instant | None = None
    ) -> Iterator[DumpSnapshot]:
        if not self._files:
            raise ConfigError(
                "This source has no server: it is filled from files.",
                hint="Load them with: turnout source load FILE",
            )
        del after  # whoever loads files decides whether they may be older than what is there
        contents = read_files(self._files, _named(self._table, selection) if self._table else None)
        yield DumpSnapshot(contents, selection, self._as_of or contents.as_of or datetime.now(UTC))

    def check(self, selection: Sequence[SelectedTable]) -> list[str]:
        if not self._files:
            return []  # nothing is wrong with waiting for some
        with self.snapshot(selection) as snapshot:
            return list(snapshot.problems.values())

    def log(self, _: Sequence[SelectedTable]) -> ChangeStream:
        raise SourceRefused("Files have no log of changes.", hint="Copy them in another mode.")


def _named(table: str, selection: Sequence[SelectedTable]) -> Name:
    for selected in selection:
        if table in (selected.label, selected.name):
            return selected.schema, selected.name
    raise SourceRefused(
        f"The selection has no table '{table}'.",
        hint=_nearest(table, [selected.label for selected in selection]),
    )


class DumpSnapshot:
    """The selected tables as the files have them. See `SourceSnapshot`."""

    def __init__(
        self, contents: Contents, selection: Sequence[SelectedTable], as_of: datetime
    ) -> None:
        self.as_of = as_of
        self.instant = Instant(SERVER, "", as_of)
        self.problems: dict[SelectedTable, str] = {}
        self._reads: dict[SelectedTable, _Read] = {}
        for selected in selection:
            try:
                self._reads[selected] = _read(contents, selected)
            except SourceRefused as error:
                self.problems[selected] = str(error)

    @property
    def tables(self) -> list[SourceTable]:
        return [read.table for read in self._reads.values()]

    @property
    def untyped(self) -> list[str]:
        """The tables whose types nothing in the files says, so that every column is text."""
        return [read.table.selected.label for read in self._reads.values() if read.is_untyped]

    def rows(self, table: SourceTable, part: Part = WHOLE) -> DumpRows:
        if not isinstance(part, Whole | Keys):
            raise SourceRefused("Files can only be read whole.")
        read = self._reads[table.selected]
        names = table.shape.key if isinstance(part, Keys) else tuple(read.conversions)
        return DumpRows(read, names)

    def cursor_max(self, _: SourceTable) -> str | None:
        """None: the next copy is a whole one again."""
        return None


class DumpRows:
    """One table's rows, file by file. See `SourceRows`."""

    def __init__(self, read: _Read, names: Sequence[str]) -> None:
        self.schema = pa.schema([(name, read.arrow[name]) for name in names])
        self.lost: dict[str, int] = {}
        self._read = read
        self._names = names

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        label = self._read.table.selected.label
        try:
            for rows in self._read.rows:
                for batch in rows.batches(self._names):
                    yield self._converted(batch)
        except (OSError, EOFError):
            raise SourceRefused(
                f"The rows of '{label}' cannot be read to their end: "
                "the file is cut off or damaged."
            ) from None
        except pa.ArrowException:
            # Its own sentence may quote a value.
            raise SourceRefused(
                f"The rows of '{label}' hold values that are not of their columns' types."
            ) from None

    def _converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = []
        for name in self._names:
            values = batch.column(name)
            converted = self._read.conversions[name](values)
            if lost := converted.null_count - values.null_count:
                self.lost[name] = self.lost.get(name, 0) + lost
            arrays.append(converted.cast(self._read.arrow[name]))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


@dataclass(frozen=True, slots=True)
class _Read:
    """How one table is read: its files, and by column what its values go through and become."""

    table: SourceTable
    rows: Sequence[FileRows]
    conversions: Mapping[str, Conversion]
    arrow: Mapping[str, pa.DataType]
    is_untyped: bool


def _read(contents: Contents, selected: SelectedTable) -> _Read:
    """Raises `SourceRefused` with what keeps this table from being read."""
    name = (selected.schema, selected.name)
    rows = [
        each for heir in contents.definitions.heirs(name) for each in contents.rows.get(heir, [])
    ]
    defined = contents.definitions.tables.get(name)
    _refuse_missing(contents, selected, rows, defined)
    columns, conversions, arrow = [], {}, {}
    gone = _gone(selected, rows, defined)
    for column_name in selected.columns:
        if column_name in gone:
            continue
        column, way, type_ = _column(contents, defined, rows, selected, column_name)
        columns.append(column)
        conversions[column_name], arrow[column_name] = way, type_
    shape = _shape(contents, selected, defined, gone)
    table = SourceTable(selected, tuple(columns), 0, shape)
    is_untyped = defined is None and all(each.typed(selected.columns[0]) is None for each in rows)
    return _Read(table, rows, conversions, arrow, is_untyped)


def _column(
    contents: Contents,
    defined: DefinedTable | None,
    rows: Sequence[FileRows],
    selected: SelectedTable,
    name: str,
) -> tuple[Column, Conversion, pa.DataType]:
    """Our column, what its values go through, and the Arrow type they come out in."""
    typed = rows[0].typed(name) if rows else None
    keys = selected.settings.json_keys.get(name)
    if keys is not None:
        return Column(name, Type.JSON), lambda texts: keys_only(texts, keys), pa.string()
    if typed is not None:
        return typed.column, as_it_is, typed.arrow
    if defined is None:
        return Column(name, Type.TEXT), as_it_is, pa.string()
    written, _ = defined.columns[name]
    type_ = contents.definitions.source_type(written)
    column = reading(name, "", type_).column
    way = conversion(type_, contents.definitions.element(written))
    return column, way, ARROW.get(column.type if way is not as_it_is else Type.TEXT, pa.string())


# What conversions return; everything else leaves as text.
ARROW = {
    Type.TIME: pa.timestamp("us"),
    Type.BYTES: pa.binary(),
    Type.FLOAT: pa.float64(),
}


def _refuse_missing(
    contents: Contents,
    selected: SelectedTable,
    rows: Sequence[FileRows],
    defined: DefinedTable | None,
) -> None:
    label = selected.label
    if selected.settings.where:
        raise SourceRefused(
            f"'{label}' is copied on a condition (where), which only a server can decide.",
            hint="Dump a table that holds those rows only, and select that.",
        )
    if not rows and (defined is None or not defined.is_partitioned):
        raise _no_rows(contents, selected, defined)


def _gone(
    selected: SelectedTable, rows: Sequence[FileRows], defined: DefinedTable | None
) -> set[str]:
    """Selected columns that are not there, where that is accepted; else `SourceRefused`."""
    there = [set(each.columns) for each in rows] or [set(defined.columns if defined else ())]
    missing = [name for name in selected.columns if not all(name in each for each in there)]
    if not missing or selected.settings.on_dropped == "null":
        return set(missing)
    name = missing[0]
    if defined is not None and name in defined.columns:
        raise SourceRefused(
            f"The files hold no values of {selected.label}.{name}.",
            hint="A column that the server computes is not dumped: leave it out.",
        )
    raise SourceRefused(
        f"The table '{selected.label}' has no column '{name}'.",
        hint=_nearest(name, set.union(*there)),
    )


def _no_rows(
    contents: Contents, selected: SelectedTable, defined: DefinedTable | None
) -> SourceRefused:
    label = selected.label
    if contents.has_inserts:
        return SourceRefused(
            f"The dump holds the rows of '{label}' as INSERT statements.",
            hint="Dump without --inserts, --column-inserts and --rows-per-insert.",
        )
    if (selected.schema, selected.name) in contents.definitions.views:
        return SourceRefused(f"'{label}' is a view, whose rows are in no dump.")
    if defined is not None:
        return SourceRefused(
            f"The files define '{label}' and hold no rows of it.",
            hint="Was it dumped with --schema-only or --exclude-table-data?",
        )
    known = [SelectedTable(*name, ()).label for name in contents.rows]
    return SourceRefused(f"There is no table '{label}' in the files.", hint=_nearest(label, known))


def _shape(
    contents: Contents, selected: SelectedTable, defined: DefinedTable | None, gone: set[str]
) -> Shape:
    """The key is one only where all of it is selected. The id is never that of a live table."""
    name = (selected.schema, selected.name)
    columns = defined.columns if defined is not None else {}
    places = {column: place for place, column in enumerate(columns, 1)}
    primary = defined.key if defined is not None else ()
    key = tuple(selected.settings.key) or (primary if {*primary} <= {*selected.columns} else ())
    return Shape(
        f"{SERVER}:{contents.oids.get(name, '')}",
        key,
        {
            each: (places[each], columns[each][0].text, columns[each][1])
            if each in columns
            else (0, "", True)
            for each in selected.columns
            if each not in gone
        },
        tuple(each for each in columns if each not in selected.columns),
    )


def _nearest(name: str, known: Sequence[str] | set[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"There are: {', '.join(sorted(known)[:20])}." if known else None
