"""The report as JSON with all of it, and as CSV with a line for each column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime

import msgspec

from turnout.sync.report.report import Found, Leaving, Report, SourceReport, TableReport

HEADINGS = (
    "source", "table", "column", "leaves", "type", "treatment", "looks_personal", "reason",
    "since", "findings", "copied_to", "row_filter", "json_keys", "history", "person", "made_at",
    "settings_sha256",
)  # fmt: skip
# A spreadsheet would take a name that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(report: Report) -> bytes:
    """Everything, times with their zone."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def as_csv(report: Report) -> str:
    """A line for each column, those that leave first, table by table; CRLF, as CSV has it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    for source in report.sources:
        for table in source.tables:
            for line in _lines(report, source, table):
                writer.writerow([_safe(cell) for cell in line])
    return text.getvalue()


def found_sentence(found: Found) -> str:
    """What was found in a column, in words."""
    return f"{found.share:.1%} look like {found.kind}"


def _lines(report: Report, source: SourceReport, table: TableReport) -> Iterator[tuple[str, ...]]:
    made = (_time(report.made_at), report.origin.sha256)
    for column in table.leaving:
        yield (
            source.name, table.table, column.column, "yes", *_said(column), table.copied_to,
            table.where, " ".join(table.json_keys.get(column.column, ())), _history(table),
            table.person, *made,
        )  # fmt: skip
    for name in table.staying or ():
        blanks = [""] * (len(HEADINGS) - 4 - len(made))
        yield source.name, table.table, name, "no", *blanks, *made


def _said(column: Leaving) -> tuple[str, ...]:
    return (
        column.type,
        column.treatment,
        column.looks or "",
        column.reason or "",
        _time(column.since),
        "; ".join(map(found_sentence, column.found)),
    )


def _history(table: TableReport) -> str:
    if not table.history:
        return "no"
    return "yes, also of deleted rows" if table.deleted_history == "keep" else "yes"


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
