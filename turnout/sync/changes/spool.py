"""Changes that wait until their transaction is complete: in memory, and on disk when they are many.

What comes here is treated already. The file has no name, and is gone with the process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

import pyarrow as pa

BYTES_IN_MEMORY_MAX = 64 * 1024 * 1024

Label = TypeVar("Label")


class Spool(Generic[Label]):
    """Tables in the order they came, each with a label."""

    def __init__(self) -> None:
        self._held: list[tuple[Label, pa.Table | int]] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None

    def add(self, label: Label, rows: pa.Table) -> None:
        """Keep `rows` as the last ones."""
        if self._bytes + rows.nbytes <= BYTES_IN_MEMORY_MAX:
            self._bytes += rows.nbytes
            self._held.append((label, rows))
        else:
            self._held.append((label, self._write(rows)))

    def __bool__(self) -> bool:
        return bool(self._held)

    def __iter__(self) -> Iterator[tuple[Label, pa.Table]]:
        for label, kept in self._held:
            yield label, self._read(kept) if isinstance(kept, int) else kept

    def clear(self) -> None:
        """Keep nothing any more."""
        self._held = []
        self._bytes = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, rows: pa.Table) -> int:
        """Where in the file they begin."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="turnout-")  # noqa: SIM115 - until `clear`
        begins_at = self._file.seek(0, 2)
        with pa.ipc.new_stream(self._file, rows.schema) as writer:
            writer.write_table(rows)
        return begins_at

    def _read(self, begins_at: int) -> pa.Table:
        assert self._file is not None  # noqa: S101 - it is where that number came from
        self._file.seek(begins_at)
        with pa.ipc.open_stream(self._file) as reader:
            return reader.read_all()
