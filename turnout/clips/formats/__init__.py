"""An answer's formats: each is a suffix of its address, a media type and a writer.

All of them stream; memory does not grow with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from turnout.clips.formats.columnar import as_arrow, as_parquet
from turnout.clips.formats.markdown import as_markdown
from turnout.clips.formats.text import Shape, as_csv, as_json, as_ndjson
from turnout.clips.formats.workbook import as_xlsx
from turnout.clips.result import Result

__all__ = [
    "FORMATS",
    "Format",
    "Shape",
    "Wanted",
    "as_arrow",
    "as_csv",
    "as_json",
    "as_markdown",
    "as_ndjson",
    "as_parquet",
    "as_xlsx",
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a writer may be asked for, besides the rows."""

    title: str
    version: int
    shape: Shape = "arrays"
    raw: bool = False
    bom: bool = False
    header: bool = True


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its button's words, and for what; `is_shown` when browsers show it themselves."""

    suffix: str
    media_type: str
    words: str
    use: str
    write: Callable[[Result, Wanted], Iterator[bytes]]
    is_shown: bool = False


FORMATS = {
    each.suffix: each
    for each in (
        Format(
            "csv",
            "text/csv",
            "CSV",
            "for spreadsheets",
            lambda result, wanted: as_csv(
                result, raw=wanted.raw, header=wanted.header, bom=wanted.bom
            ),
        ),
        Format(
            "json",
            "application/json",
            "JSON",
            "for programs",
            lambda result, wanted: as_json(
                result, title=wanted.title, version=wanted.version, shape=wanted.shape
            ),
            is_shown=True,
        ),
        Format(
            "ndjson",
            "application/x-ndjson",
            "NDJSON",
            "a line per row",
            lambda result, _: as_ndjson(result),
        ),
        Format(
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "Excel",
            "a workbook",
            lambda result, wanted: as_xlsx(result, title=wanted.title),
        ),
        Format(
            "parquet",
            "application/vnd.apache.parquet",
            "Parquet",
            "columns, compressed",
            lambda result, _: as_parquet(result),
        ),
        Format(
            "arrow",
            "application/vnd.apache.arrow.stream",
            "Arrow",
            "columns, as a stream",
            lambda result, _: as_arrow(result),
        ),
        Format(
            "md",
            "text/markdown",
            "Markdown",
            "20 rows for a chat",
            lambda result, wanted: as_markdown(result, title=wanted.title),
            is_shown=True,
        ),
    )
}
