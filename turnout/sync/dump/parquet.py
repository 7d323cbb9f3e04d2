"""Parquet files: only the columns asked for are read, in types the warehouse has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
from pyarrow import parquet, types

from turnout.sync.dump.rows import TypedColumn
from turnout.warehouse import Column, Type

# About a mebibyte of common rows.
BATCH_ROWS = 16_384
DECIMAL_DIGITS_MAX = 38


class ParquetRows:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        """Reads the footer."""
        self._path = path
        self._arrow = parquet.read_schema(path)
        self.columns: Sequence[str] = self._arrow.names

    def typed(self, name: str) -> TypedColumn | None:
        return _typed(self._arrow.field(name))

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with parquet.ParquetFile(self._path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names), use_threads=False):
                arrays = [_cast(batch.column(name), self._arrow.field(name)) for name in names]
                yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def _typed(field: pa.Field) -> TypedColumn:
    """Our column for a column of the file, and the Arrow type its values come in."""
    type_ = _plain(field.type)
    if types.is_uint64(type_):
        return TypedColumn(Column(field.name, Type.DECIMAL, 20, 0), pa.decimal128(20, 0))
    if types.is_decimal(type_) and type_.precision <= DECIMAL_DIGITS_MAX and type_.scale >= 0:
        column = Column(field.name, Type.DECIMAL, type_.precision, type_.scale)
        return TypedColumn(column, pa.decimal128(type_.precision, type_.scale))
    for is_such, ours, arrow in KINDS:
        if is_such(type_):
            return TypedColumn(Column(field.name, ours), arrow)
    return TypedColumn(Column(field.name, Type.TEXT), pa.string())


def _cast(values: pa.Array, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if types.is_nested(values.type):
        return pa.array(
            [None if value is None else _json(value) for value in values.to_pylist()], pa.string()
        )
    if types.is_timestamp(values.type):
        # What is finer than a microsecond is cut: no column of ours holds it.
        zone = values.type.tz
        values = values.cast(pa.timestamp("us", zone), safe=False)
        return values.cast(pa.timestamp("us"))
    return values.cast(_typed(field).arrow)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _plain(type_: pa.DataType) -> pa.DataType:
    """Without dictionaries and extensions."""
    if isinstance(type_, pa.BaseExtensionType):
        return type_.storage_type
    return type_.value_type if types.is_dictionary(type_) else type_


KINDS = (
    (types.is_boolean, Type.BOOLEAN, pa.bool_()),
    (types.is_integer, Type.INTEGER, pa.int64()),
    (types.is_floating, Type.FLOAT, pa.float64()),
    (types.is_date, Type.DATE, pa.date32()),
    (types.is_timestamp, Type.TIME, pa.timestamp("us")),
    (types.is_time, Type.CLOCK, pa.time64("us")),
    (types.is_binary, Type.BYTES, pa.binary()),
    (types.is_large_binary, Type.BYTES, pa.binary()),
    (types.is_fixed_size_binary, Type.BYTES, pa.binary()),
    (types.is_nested, Type.JSON, pa.string()),
)
