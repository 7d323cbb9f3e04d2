"""What a file offers to be read: rows of one table, by column names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from turnout.warehouse import Column


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column whose type the file itself says, and the Arrow type that its values come in."""

    column: Column
    arrow: pa.DataType


class FileRows(Protocol):
    """The rows that one file has for one table. They are read when `batches` is iterated."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns there are, by exact name."""

    def typed(self, name: str) -> TypedColumn | None:
        """The column's type; None where its values are text as PostgreSQL writes it."""

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns `names`, and no others, in batches of about a mebibyte.

        Raises `SourceRefused`, `OSError` or `ArrowInvalid` when the file is damaged or cut off.
        """
