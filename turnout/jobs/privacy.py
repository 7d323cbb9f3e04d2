"""What is done about people in copied tables: forgetting them here and in events, and the report.

Sync and events do not know each other; they meet here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from turnout.access.secret import PRIVACY_FILE_NAME, secret_key
from turnout.config import Config, Source
from turnout.errors import NotFound
from turnout.events.upkeep.forget import forget as forget_events
from turnout.events.upkeep.forget.receipt import keep_receipt, make_receipt
from turnout.events.upkeep.forget.subjects import Subjects
from turnout.events.upkeep.upkeep import Report, Upkeep
from turnout.sync.forget import Forgetting
from turnout.sync.privacy.suppressed import EVERY_SOURCE, suppress
from turnout.sync.report import as_csv, make_report
from turnout.warehouse import Warehouse


def sources_meant(config: Config, name: str | None) -> dict[str, Source]:
    """One source, which must be there, or every one."""
    if name is None:
        return dict(config.sources)
    if name not in config.sources:
        raise NotFound(f"There is no source '{name}' in turnout.toml.")
    return {name: config.sources[name]}


def report(config: Config, warehouse: Warehouse, parameters: Mapping[str, Any]) -> Report:
    """What leaves the sources, or one `source`, as values and as CSV."""
    name = parameters.get("source")
    sources_meant(config, name)
    made = make_report(config, warehouse, now=datetime.now(UTC), only=name)
    said = f"{made.columns:,} columns leave {len(made.sources):,} sources."
    return Report(said, {"report": msgspec.to_builtins(made), "csv": as_csv(made)})


def plan_forgetting(config: Config, work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """What would be erased of `people`, of one `source` or of everything; nothing is done."""
    forgetting = _forgetting(config, work, parameters)
    copied = forgetting.counts()
    journal, events = {"lines": 0, "files": 0}, {}
    if _with_events(parameters):
        plan = forget_events(work, {"users": forgetting.names, "is_plan": True})
        journal, events = plan.result["journal"], plan.result["warehouse"]
    said = f"{_amount(copied, events, journal)} would be erased."
    return Report(
        said,
        {
            "journal": journal,
            "warehouse": copied | events,
            "left": forgetting.mentions(),
            "without_person": forgetting.without_person(),
        },
    )


def forget(config: Config, work: Upkeep, parameters: Mapping[str, Any]) -> Report:
    """Erase `people` from copied tables and from events, and keep them out from now on.

    The list that keeps them out comes first: cut anywhere, and begun again, it ends the same.
    What is left to do is to compact the warehouse, publish it and drop the answers.
    """
    forgetting = _forgetting(config, work, parameters)
    source = parameters.get("source")
    if source is None:
        suppress(config.data_folder, forgetting.ids)
    for name, ids in forgetting.listed().items():
        known = forgetting.ids if source is None else ()
        suppress(config.data_folder, [id_ for id_ in ids if id_ not in known], name)
    work.tell("Erasing from copied tables", 0, 0)
    with work.warehouse.transaction() as transaction:
        copied = forgetting.erase(transaction)
    receipt, path = _receipt(work, forgetting, parameters)
    events = dict(receipt["warehouse"])
    receipt["warehouse"] = copied | events
    receipt["kept_out_of"] = EVERY_SOURCE if source is None else source
    receipt["left"] = left = forgetting.mentions()
    _rewrite(path, receipt)
    said = (
        f"{_amount(copied, events, receipt['journal'])} are erased. {_after(source)}{_left(left)}"
    )
    return Report(said, {"receipt": receipt, "path": str(path)}, changed=True, erased=True)


def _forgetting(config: Config, work: Upkeep, parameters: Mapping[str, Any]) -> Forgetting:
    sources = sources_meant(config, parameters.get("source"))
    secret = secret_key(config.data_folder, PRIVACY_FILE_NAME)
    return Forgetting(sources, work.warehouse, secret, parameters.get("people") or ())


def _with_events(parameters: Mapping[str, Any]) -> bool:
    """Named with a source, an id may be another person's elsewhere."""
    return parameters.get("source") is None


def _receipt(
    work: Upkeep, forgetting: Forgetting, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], Path]:
    """The receipt so far, that of events if they are erased too, and where it lies."""
    if _with_events(parameters):
        report = forget_events(work, {"users": forgetting.names})
        return dict(report.result["receipt"]), Path(report.result["path"])
    now = datetime.now(UTC)
    receipt = make_receipt(Subjects(users=forgetting.ids), {"lines": 0, "files": 0}, {}, now=now)
    return receipt, keep_receipt(work.receipts_folder, receipt, now=now)


def _rewrite(path: Path, receipt: Mapping[str, Any]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        part.chmod(0o600)
        json.dump(receipt, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _amount(
    copied: Mapping[str, int], events: Mapping[str, int], journal: Mapping[str, int]
) -> str:
    return (
        f"{sum(copied.values()):,} rows of {len(copied)} copied tables, "
        f"{sum(events.values()):,} rows of events and {journal['lines']:,} lines of the journal"
    )


def _after(source: str | None) -> str:
    if source is None:
        return "No copy brings them back; events that name them are accepted again from now on."
    return f"No copy of {source} brings them back; events were not looked at."


def _left(left: Mapping[str, int]) -> str:
    if not left:
        return ""
    columns = ", ".join(f"{column} ({rows:,} rows)" for column, rows in left.items())
    return f" They are still named in {columns}: set the table's 'person', and forget them again."
