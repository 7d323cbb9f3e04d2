"""Where answers lie on disk: the rows as one Arrow file, a label beside it, both or none.

A label names its rows' file and replaces the older label in one rename, so whoever reads a
label finds complete rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa

from turnout.clips.reads import Change
from turnout.clips.result import Result, open_rows


class Label(msgspec.Struct, frozen=True):
    """What stands in the file beside the rows."""

    rows_file: str
    fields: list[str]
    types: list[str]
    row_count: int
    truncated: bool
    bytes: int
    as_of: datetime
    ran_at: datetime
    duration_ms: int
    snapshot: int
    schemas: list[str] | None
    changes: Change
    etag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept answer."""

    result: Result
    schemas: list[str] | None
    changes: Change


def open_result(folder: Path, label: Label) -> Result:
    """The result that `label` speaks of. Raises `OSError` or `pa.ArrowInvalid` when it is torn."""
    return Result(
        fields=label.fields,
        types=label.types,
        row_count=label.row_count,
        truncated=label.truncated,
        as_of=label.as_of,
        ran_at=label.ran_at,
        duration_ms=label.duration_ms,
        etag=label.etag,
        snapshot=label.snapshot,
        bytes=label.bytes,
        rows_file=open_rows(folder / label.rows_file),
    )


def store(folder: Path, name: str, label: Label) -> Entry:
    """Make `label` the newest of `name`; the older rows' file goes."""
    older = read_label(folder / f"{name}.json")
    part = folder / f"{name}.json.part"
    part.write_bytes(msgspec.json.encode(label))
    part.rename(folder / f"{name}.json")
    if older is not None and older.rows_file != label.rows_file:
        (folder / older.rows_file).unlink(missing_ok=True)
    return Entry(open_result(folder, label), label.schemas, label.changes)


def load(folder: Path, name: str) -> Entry | None:
    """The newest answer of `name`, if there is one."""
    label = read_label(folder / f"{name}.json")
    if label is None:
        return None
    try:
        return Entry(open_result(folder, label), label.schemas, label.changes)
    except (OSError, pa.ArrowException):
        return None  # a torn file is as good as none: the query runs again


def read_label(path: Path) -> Label | None:
    """The label in that file; None when it is not there or not whole."""
    try:
        label = msgspec.json.decode(path.read_bytes(), type=Label)
    except (OSError, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(
        label, as_of=label.as_of.astimezone(UTC), ran_at=label.ran_at.astimezone(UTC)
    )


def tidy(folder: Path) -> None:
    """Remove rows that no label names: runs that were under way when the process ended."""
    labels = {path: read_label(path) for path in folder.glob("*.json")}
    named = {label.rows_file for label in labels.values() if label is not None}
    named |= {path.name for path, label in labels.items() if label is not None}
    for path in folder.iterdir():
        if path.suffix in {".json", ".arrow", ".part"} and path.name not in named:
            path.unlink(missing_ok=True)


def clear(folder: Path) -> int:
    """Remove every kept answer, labels and rows; how many files there were."""
    files = [path for path in folder.iterdir() if path.suffix in {".json", ".arrow", ".part"}]
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)


def sweep(folder: Path, bytes_max: int) -> None:
    """Delete the answers that ran longest ago until the rest fits."""
    labels = [(path, read_label(path)) for path in folder.glob("*.json")]
    kept_bytes = 0
    known = [(path, label) for path, label in labels if label is not None]
    for path, label in sorted(known, key=lambda item: item[1].ran_at, reverse=True):
        kept_bytes += label.bytes
        if kept_bytes > bytes_max:
            path.unlink(missing_ok=True)
            (folder / label.rows_file).unlink(missing_ok=True)
