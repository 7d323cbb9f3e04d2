r"""CSV files: a header with the columns' names, then a row per line or quoted lines.

Values are texts. An empty value is NULL and a quoted empty one is an empty text, as PostgreSQL's
COPY writes them; \\N is NULL too.
"""

from __future__ import annotations

import csv as text_csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from turnout.errors import SourceRefused
from turnout.sync.dump.plain import open_plain
from turnout.sync.dump.rows import TypedColumn

DELIMITERS = (",", ";", "\t", "|")
HEADER_BYTES_MAX = 1024 * 1024
# Also the size of the largest row.
BLOCK_BYTES = 8 * 1024 * 1024
MARK = "\ufeff"


class Delimited:
    """A CSV file, plain or compressed."""

    def __init__(self, path: Path) -> None:
        """Reads the header, and learns from it what stands between values."""
        self._path = path
        line = _first_line(path)
        self._delimiter = max(DELIMITERS, key=line.count)
        self.columns: Sequence[str] = next(text_csv.reader([line], delimiter=self._delimiter), [])

    def typed(self, _: str) -> TypedColumn | None:
        return None

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        places = [f"c{self.columns.index(name)}" for name in names]
        try:
            with closing(open_plain(self._path)) as stream:
                for batch in csv.open_csv(
                    pa.PythonFile(stream, mode="r")
                    if not isinstance(stream, pa.NativeFile)
                    else stream,
                    csv.ReadOptions(
                        column_names=[f"c{place}" for place in range(len(self.columns))],
                        skip_rows=1,
                        block_size=BLOCK_BYTES,
                        use_threads=False,
                    ),
                    csv.ParseOptions(
                        delimiter=self._delimiter,
                        newlines_in_values=True,
                        ignore_empty_lines=len(self.columns) > 1,
                    ),
                    csv.ConvertOptions(
                        column_types=dict.fromkeys(places, pa.string()),
                        include_columns=places,
                        null_values=["", "\\N"],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                ):
                    yield batch.rename_columns(list(names))
        except pa.ArrowInvalid:
            # The reader's own sentence quotes the row, and that is nobody's business.
            raise SourceRefused(
                f"{self._path} holds a row that has not as many values as its header, or that is "
                f"no UTF-8 text, or longer than {BLOCK_BYTES // 1024**2} MiB."
            ) from None


def _first_line(path: Path) -> str:
    with closing(open_plain(path)) as stream:
        start = stream.read(HEADER_BYTES_MAX)
    line, _, _ = start.partition(b"\n")
    try:
        return line.decode().removeprefix(MARK).rstrip("\r")
    except UnicodeDecodeError:
        raise SourceRefused(f"{path} is no UTF-8 text.", hint="Write it as UTF-8.") from None
