"""The passage every row takes on its way here: the forgotten stay out, columns are treated.

Nothing of a source reaches the disk before it went through.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from turnout.errors import ConfigError, SourceRefused
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.personal import looks_personal
from turnout.sync.privacy.suppressed import Suppressed
from turnout.sync.privacy.treatment import KEEP, Treatment, canonical_text, treatment
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column

OPERATION = "_op"
WRITTEN, GONE = 1, 2


class Passage:
    """Of one table. `columns` are those after treatment: their types may differ."""

    def __init__(
        self,
        selected: SelectedTable,
        columns: Sequence[Column],
        secret: bytes,
        suppressed: Suppressed | None,
        *,
        key: Sequence[str] = (),
    ) -> None:
        """`columns` are those of the rows to come, all of them or the `key` alone.

        `key` names the columns that tell rows apart. Raises `ConfigError` when a treatment does
        not fit its column, and when a column that looks personal is copied without a reason.
        """
        self._selected = selected
        self._settings = selected.settings
        self._suppressed = suppressed
        self._key = tuple(key) or tuple(self._settings.key)
        _check_names(selected)
        _check_roles(selected, self._key)
        check_personal(selected, columns)
        keyed = Keyed(secret)
        self._treatments = {
            column.name: treated
            for column in columns
            if (treated := _treatment(selected, column, keyed)) is not None
        }
        self.columns = tuple(
            self._treatments[column.name].column if column.name in self._treatments else column
            for column in columns
        )

    def schema(self, arriving: pa.Schema) -> pa.Schema:
        """The schema of the batches that leave, where those that arrive have `arriving`."""
        return pa.schema(
            [
                pa.field(field.name, self._treatments[field.name].arrow)
                if field.name in self._treatments
                else field
                for field in arriving
            ]
        )

    def through(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of `batch` that may be here, treated; columns it has besides are left alone.

        Of changes (`_op`), one that writes a row of somebody forgotten says instead that the row
        is gone. Raises `SourceRefused` when values cannot be treated, and never says which.
        """
        batch = self._without_suppressed(batch)
        if not self._treatments:
            return batch
        arrays = [self._treated(name, batch.column(name)) for name in batch.schema.names]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema(batch.schema))

    def _treated(self, name: str, values: pa.Array) -> pa.Array:
        treated = self._treatments.get(name)
        if treated is None:
            return values
        try:
            return treated.apply(values)
        except pa.ArrowException:
            # Its own sentence quotes the value.
            raise SourceRefused(
                f"{self._selected.label}.{name}: some values cannot be treated by "
                f"'{treated.word}'.",
                hint="They do not have the form that the column's type promises.",
            ) from None

    def _without_suppressed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        person = self._settings.person
        if self._suppressed is None or not person or person not in batch.schema.names:
            return batch
        ids = batch.column(person)
        if person in self._treatments:
            ids = canonical_text(self._treatments[person].word, ids)
        listed = self._suppressed.holds(ids)
        if listed is None or not pc.any(listed).as_py():
            return batch
        if OPERATION in batch.schema.names:
            return self._as_gone(batch, listed)
        return batch.filter(pc.invert(listed))

    def _as_gone(self, batch: pa.RecordBatch, listed: pa.Array) -> pa.RecordBatch:
        """The row may have been somebody else's before, and be here."""
        written = pc.equal(batch.column(OPERATION), WRITTEN)
        listed = pc.fill_null(pc.and_(listed, written), fill_value=False)
        arrays = []
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if name == OPERATION:
                gone = pa.scalar(GONE, values.type)
                arrays.append(pc.if_else(listed, gone, values))
            elif name in self._key or name not in self._settings.columns:
                arrays.append(values)
            else:
                arrays.append(pc.if_else(listed, pa.scalar(None, values.type), values))
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def check_personal(selected: SelectedTable, columns: Iterable[Column]) -> None:
    """Raise `ConfigError` for a column that looks personal and that nobody said a word about."""
    settings = selected.settings
    for column in columns:
        why = looks_personal(column.name, column.type.value)
        if not why or column.name in settings.personal:
            continue
        if settings.treat.get(column.name, KEEP) != KEEP:
            continue
        raise ConfigError(
            f"{selected.label}.{column.name} looks personal ({why}) and would be copied as it is.",
            hint=f'Say what happens to it, treat = {{ {column.name} = "hash" }} (or mask), or why '
            f'it may be copied, personal = {{ {column.name} = "…" }}; or leave it out.',
        )


def _treatment(selected: SelectedTable, column: Column, keyed: Keyed) -> Treatment | None:
    word = selected.settings.treat.get(column.name, KEEP)
    return treatment(column, word, keyed, f"{selected.label}.{column.name}")


def _check_names(selected: SelectedTable) -> None:
    """What is said of columns is said of columns that are copied."""
    settings = selected.settings
    said: Mapping[str, Iterable[str]] = {
        "treat": settings.treat,
        "personal": settings.personal,
        "json_keys": settings.json_keys,
        "person": [settings.person] if settings.person else [],
    }
    for setting, names in said.items():
        for name in names:
            if name in settings.columns:
                continue
            near = difflib.get_close_matches(name, settings.columns, 1)
            raise ConfigError(
                f"{selected.label}: {setting} names '{name}', which is not among its columns.",
                hint=f"Did you mean '{near[0]}'?" if near else "Only copied columns are treated.",
            )


def _check_roles(selected: SelectedTable, key: Sequence[str]) -> None:
    """Columns that tables are kept in order by bear only what leaves them telling."""
    settings = selected.settings
    for name, word in settings.treat.items():
        place = f"{selected.label}.{name}"
        if word == KEEP:
            continue
        if name == settings.cursor:
            raise ConfigError(
                f"{place}: a cursor is not treated by '{word}': its largest value is remembered.",
                hint="Keep it, or choose another cursor.",
            )
        if name in key and word != "hash":
            raise ConfigError(
                f"{place}: a key is not treated by '{word}': rows could not be told apart.",
                hint="Treat it by 'hash', which keeps different values different.",
            )
        if name == settings.person and word.partition(":")[0] != "hash":
            raise ConfigError(
                f"{place}: the column that names the person is not treated by '{word}': "
                "nobody could be found again and forgotten.",
                hint="Keep it, or treat it by 'hash'.",
            )
        if name == settings.created_at and not word.startswith("bucket"):
            raise ConfigError(
                f"{place}: created_at is a time and cannot be treated by '{word}'.",
                hint="Keep it, or put it into a bucket such as bucket:day.",
            )
