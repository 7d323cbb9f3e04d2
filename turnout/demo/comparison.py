"""Whether what a link gave is what the truth expects, cell by cell, in CSV and in JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from turnout.demo.truth import Answer


def csv_agrees(body: bytes, answer: Answer) -> bool:
    """CSV as the links give it: a header, empty cells for nothing."""
    header, *rows = list(csv.reader(io.StringIO(body.decode()))) or [[]]
    return tuple(header) == answer.fields and _agree(rows, answer)


def json_agrees(body: bytes, answer: Answer) -> bool:
    """JSON as the links give it: `fields` and `values`, and nothing cut."""
    told: dict[str, Any] = json.loads(body, parse_float=Decimal)
    is_whole = not told["truncated"] and told["row_count"] == len(answer.rows)
    return is_whole and tuple(told["fields"]) == answer.fields and _agree(told["values"], answer)


def _agree(rows: Sequence[Sequence[object]], answer: Answer) -> bool:
    """Compare as multisets when the clip says no order."""
    if len(rows) != len(answer.rows):
        return False
    given: list[list[object]] = []
    for row, wanted in zip(rows, answer.rows, strict=True):
        if len(row) != len(wanted):
            return False
        given.append([_read(cell, model) for cell, model in zip(row, wanted, strict=True)])
    expected = [[_plain(cell) for cell in row] for row in answer.rows]
    if answer.is_ordered:
        return given == expected
    return sorted(given, key=repr) == sorted(expected, key=repr)


def _read(cell: object, model: object) -> object:
    """A cell as the value it is, given one of the expected kind in the same column."""
    if cell is None or (cell == "" and not model):
        return None
    text = str(cell)
    if isinstance(model, (int, Decimal)):
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    return text


def _plain(cell: object) -> object:
    if isinstance(cell, (int, Decimal)):
        return Decimal(cell)
    return cell.isoformat() if isinstance(cell, date) else cell
