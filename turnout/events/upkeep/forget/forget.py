"""Forgetting somebody: journal first, then warehouse; cut anywhere, the next run finishes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from turnout.events import layout
from turnout.events.engine import Engine
from turnout.events.upkeep.forget.lines import Erased, LineEraser, close_all
from turnout.events.upkeep.forget.receipt import keep_receipt, make_receipt
from turnout.events.upkeep.forget.rows import count_rows, delete_rows, doomed, message_ids
from turnout.events.upkeep.forget.subjects import Catalog, Subjects, subjects_of, with_devices
from turnout.events.upkeep.newest import rebuild_newest
from turnout.events.upkeep.upkeep import Report, Upkeep
from turnout.warehouse import Transaction

AGAIN = "Events that name them are accepted again from now on."


def forget(work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Erase everything that names `users`, `anonymous` or `accounts`.

    With `is_plan` only counts it. With a user go the anonymous ids that nobody else ever had. Of
    a trial (`is_trial`) there is no receipt, and only files written after `since_s` are looked at.
    """
    subjects = subjects_of(parameters)
    if not parameters.get("is_plan"):
        work.tell("Waiting for the journal", 0, 0)
        close_all(work.journal_folder)
    work.load_all()
    subjects = with_devices(work.warehouse, work.catalog(), subjects)
    if parameters.get("is_plan"):
        return _plan(work, subjects)
    is_trial = bool(parameters.get("is_trial"))
    since_s = float(parameters.get("since_s", 0))
    found, counts = _erase(work, subjects, since_s, is_trial=is_trial)
    said = f"{_amount(found, counts)} are erased{_devices(subjects)}. {AGAIN}"
    if is_trial:
        return Report(said, changed=True)
    now = datetime.now(UTC)
    receipt = make_receipt(subjects, _in_journal(found), counts, now=now)
    path = keep_receipt(work.receipts_folder, receipt, now=now)
    return Report(said, {"receipt": receipt, "path": str(path)}, changed=True, erased=True)


def _plan(work: Upkeep, subjects: Subjects) -> Report:
    dialect, query = work.warehouse.dialect, work.warehouse.query
    rows = doomed(dialect, work.catalog(), subjects)
    eraser = _eraser(work, subjects)
    try:
        found = eraser.count(work.loader.positions, work.tell)
    finally:
        eraser.close()
    counts = count_rows(dialect, query, rows)
    said = f"{_amount(found, counts)} would be erased{_devices(subjects)}."
    return Report(said, {"journal": _in_journal(found), "warehouse": counts})


def _erase(
    work: Upkeep, subjects: Subjects, since_s: float, *, is_trial: bool
) -> tuple[Erased, dict[str, int]]:
    eraser = _eraser(work, subjects)
    try:
        found = eraser.erase(work.loader.positions, since_s, work.tell)
    finally:
        eraser.close()
    work.tell("Erasing from the warehouse", 0, 0)
    dialect = work.warehouse.dialect
    with work.warehouse.transaction() as transaction:
        catalog = work.catalog()
        counts = delete_rows(dialect, transaction, doomed(dialect, catalog, subjects))
        if counts and not is_trial:
            work.tell("Learning anew from what is left", 0, 0)
            _learn_anew(work, transaction, catalog)
        if found.lengths:
            transaction.merge(layout.OFFSETS, _offsets(found))
    work.loader.refresh()
    return found, counts


def _learn_anew(work: Upkeep, transaction: Transaction, catalog: Catalog) -> None:
    """What follows from calls follows from those that are left: a shared account, a shared device.

    A trial shares nothing with anybody.
    """
    for schema in layout.event_schemas(catalog):
        for calls in layout.LATEST:
            rebuild_newest(transaction, work.warehouse.dialect, catalog[schema][calls])
    engine = Engine()
    try:
        work.identity().rebuild(transaction, engine)
    finally:
        engine.close()


def _eraser(work: Upkeep, subjects: Subjects) -> LineEraser:
    dialect, query = work.warehouse.dialect, work.warehouse.query
    ids = message_ids(dialect, query, doomed(dialect, work.catalog(), subjects))
    return LineEraser(work.journal_folder, subjects, ids)


def _offsets(found: Erased) -> pa.Table:
    at = datetime.now(UTC).replace(tzinfo=None)
    return pa.Table.from_pylist(
        [
            {"segment": name, "position": length, "updated_at": at}
            for name, length in found.lengths.items()
        ]
    )


def _in_journal(found: Erased) -> dict[str, int]:
    return {"lines": found.lines, "files": found.files}


def _amount(found: Erased, counts: Mapping[str, int]) -> str:
    rows, tables = sum(counts.values()), len(counts)
    return f"{found.lines:,} lines of the journal and {rows:,} rows of {tables} tables"


def _devices(subjects: Subjects) -> str:
    if not subjects.anonymous:
        return ""
    return f", those of {len(subjects.anonymous):,} anonymous ids among them"
