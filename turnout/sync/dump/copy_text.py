r"""PostgreSQL's COPY text: a line per row, tabs between values, `\N` for NULL, `\.` at the end.

Line ends and tabs inside values are escaped, so that lines can be cut blindly; escapes are undone
column by column, all values at once. Columns nobody asked for are skipped while reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from turnout.errors import SourceRefused

CHUNK_BYTES = 1024 * 1024
END = b"\\.\n"
# A backslash becomes a NUL, which no value can hold, until the other escapes are undone.
ESCAPES = (
    ("\\\\", "\0"), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"),
    ("\\b", "\b"), ("\\f", "\f"), ("\\v", "\v"), ("\0", "\\"),
)  # fmt: skip
PARSING = csv.ParseOptions(
    delimiter="\t",
    quote_char=False,
    double_quote=False,
    escape_char=False,
    newlines_in_values=False,
    ignore_empty_lines=False,
)


def copied_rows(
    stream: BinaryIO, columns: Sequence[str], names: Sequence[str], encoding: str = "utf-8"
) -> Iterator[pa.RecordBatch]:
    r"""The columns `names` of rows that have `columns`, as texts, up to the line `\.`.

    Raises `SourceRefused` when the rows are no such text, or end before that line.
    """
    places = [columns.index(name) for name in names]
    for lines in filter(None, _lines(stream)):
        yield _batch(lines, len(columns), places, names, encoding)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, about a mebibyte of them at a time."""
    rest = b""
    while True:
        chunk = stream.read(CHUNK_BYTES)
        if not chunk:
            raise SourceRefused("The dump is cut off: the rows of a table do not end.")
        text = rest + chunk
        end = 0 if text.startswith(END) else text.find(b"\n" + END) + 1
        if end or text.startswith(END):
            yield text[:end]
            return
        cut = text.rfind(b"\n") + 1
        yield text[:cut]
        rest = text[cut:]


def _batch(
    lines: bytes, width: int, places: Sequence[int], names: Sequence[str], encoding: str
) -> pa.RecordBatch:
    wanted = [f"c{place}" for place in places]
    try:
        table = csv.read_csv(
            pa.BufferReader(lines),
            csv.ReadOptions(
                column_names=[f"c{place}" for place in range(width)],
                block_size=len(lines) + 1,
                use_threads=False,
                encoding=encoding,
            ),
            PARSING,
            csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.string()),
                include_columns=wanted,
                null_values=["\\N"],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError):
        # The reader's own sentence quotes the row, and that is nobody's business.
        raise SourceRefused(
            "The dump holds rows that are not what its own list of columns says, "
            "or text that is not in its encoding."
        ) from None
    (batch,) = table.rename_columns(list(names)).combine_chunks().to_batches()
    return pa.RecordBatch.from_arrays(
        [_unescaped(column) for column in batch.columns], names=list(names)
    )


def _unescaped(texts: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(texts, "\\")).as_py():
        return texts
    for escaped, plain in ESCAPES:
        texts = pc.replace_substring(texts, escaped, plain)
    return texts
