"""Answers as CSV, JSON and NDJSON, streamed: one chunk per Arrow batch, made column by column.

Cells of one column become text in a few vectorised steps, rows are joined likewise, and the
joined array's own buffer is the chunk; no Python runs per row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from turnout.clips.formats.cells import csv_cells, json_cells
from turnout.clips.formats.kept import kept
from turnout.clips.formats.names import unique
from turnout.clips.result import Result

Shape = Literal["arrays", "objects"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(
    result: Result, *, raw: bool = False, header: bool = True, bom: bool = False
) -> Iterator[bytes]:
    """RFC 4180 in UTF-8. NULL is nothing, an empty text is `""`.

    Text that a spreadsheet would take for a formula gets a leading apostrophe unless `raw`;
    numbers are never touched.
    """
    face = ("csv", raw, header, bom)
    return kept(result, face, lambda: _csv(result, raw=raw, header=header, bom=bom))


def as_json(
    result: Result, *, title: str, version: int, shape: Shape = "arrays"
) -> Iterator[bytes]:
    """One object: what is known about the answer, and its rows under `values`.

    Rows are arrays, or objects with `shape="objects"`, where a repeated name gets `_2`.
    """
    face = ("json", title, version, shape)
    return kept(result, face, lambda: _json(result, title, version, shape))


def as_ndjson(result: Result) -> Iterator[bytes]:
    """One object a line, and nothing else; a repeated name gets `_2`."""
    return kept(result, ("ndjson",), lambda: _ndjson(result))


def _csv(result: Result, *, raw: bool, header: bool, bom: bool) -> Iterator[bytes]:
    first = b"\xef\xbb\xbf" if bom else b""
    if header:
        first += (",".join(_csv_name(name, raw=raw) for name in result.fields) + "\r\n").encode()
    if first:
        yield first
    for batch in result.batches():
        cells = [
            csv_cells(column, type_, raw=raw)
            for column, type_ in zip(batch.columns, result.types, strict=True)
        ]
        yield _joined(cells, "", "\r\n")


def _csv_name(name: str, *, raw: bool) -> str:
    if not raw and name.startswith(FORMULA_STARTS):
        name = f"'{name}"
    if any(mark in name for mark in '",\r\n') or not name:
        return '"' + name.replace('"', '""') + '"'
    return name


def _json(result: Result, title: str, version: int, shape: Shape) -> Iterator[bytes]:
    head = {"title": title, "fields": result.fields, "types": result.types}
    yield msgspec.json.encode(head)[:-1] + b',"values":['
    names = _members(result.fields) if shape == "objects" else None
    begins, ends = ("{", "},") if names else ("[", "],")
    last = b""
    for cells in _json_columns(result, names):
        if last:
            yield last
        last = _joined(cells, begins, ends)
    # Every row ends with a comma but the very last one.
    yield last[:-1] + b"]," + msgspec.json.encode(_tail(result, version))[1:]


def _ndjson(result: Result) -> Iterator[bytes]:
    for cells in _json_columns(result, _members(result.fields)):
        yield _joined(cells, "{", "}\n")


def _json_columns(result: Result, names: list[str] | None) -> Iterator[list[pa.Array]]:
    """Each batch as columns of finished JSON, with their names before them where there are any."""
    for batch in result.batches():
        cells = [
            json_cells(column, type_)
            for column, type_ in zip(batch.columns, result.types, strict=True)
        ]
        if names:
            cells = [
                pc.binary_join_element_wise(name, cell, "")
                for name, cell in zip(names, cells, strict=True)
            ]
        yield cells


def _tail(result: Result, version: int) -> dict[str, Any]:
    tail: dict[str, Any] = {
        "row_count": result.row_count,
        "truncated": result.truncated,
        "as_of": _instant(result.as_of),
        "ran_at": _instant(result.ran_at),
        "duration_ms": result.duration_ms,
        "version": version,
    }
    if result.is_stale:
        tail["is_stale"] = True
    return tail


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _members(fields: list[str]) -> list[str]:
    """Each field as the beginning of a JSON member."""
    return [msgspec.json.encode(name).decode() + ":" for name in unique(fields)]


def _joined(cells: list[pa.Array], begins: str, ends: str) -> bytes:
    """Rows of cells as one run of bytes: begin, cells with commas between, end."""
    rows = pc.binary_join_element_wise(*cells, ",")
    rows = pc.binary_join_element_wise(begins, rows, ends, "")
    _, offsets, text = rows.buffers()
    size = int.from_bytes(offsets[len(rows) * 4 : len(rows) * 4 + 4].to_pybytes(), "little")
    return text[:size].to_pybytes() if size else b""
