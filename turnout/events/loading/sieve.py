"""Parting the lines that cannot be loaded from the many that can.

Nothing is known of such a line but that loading fails with it, so halves are tried, and halves of
the halves: one bad line among thousands costs a dozen tries, and never stops the rest. Lines that
only fail together, such as those with too many different paths, are loaded apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from turnout.errors import WarehouseUnavailable
from turnout.events.door.line import HEAD_BYTES_MAX
from turnout.events.loading.once import with_keys_once
from turnout.events.loading.writing import LosesDigits

NOT_LOADABLE = "not_loadable"
Part = TypeVar("Part")


class Line(msgspec.Struct):
    """What is told of a line that cannot be loaded. `Raw` keeps bytes as they were sent."""

    id: str | None = None
    source: str | None = None
    schema: str | None = None
    received_at: datetime | None = None
    event: msgspec.Raw = msgspec.Raw(b"")


def sift(
    lines: Sequence[bytes], load: Callable[[bytes], Part]
) -> tuple[list[Part], list[tuple[bytes, Exception]]]:
    """What `load` made of the good lines, in order, and the bad ones, each with what it raised.

    Raises `WarehouseUnavailable` as soon as it meets it: that is no line's fault.
    """
    try:
        return [load(b"\n".join(lines))], []
    except (WarehouseUnavailable, LosesDigits):
        raise
    except Exception as error:  # noqa: BLE001 -- whatever a line causes must not stop the others
        if len(lines) == 1:
            said_once = with_keys_once(lines[0])
            if said_once != lines[0]:
                return sift([said_once], load)
            return [], [(lines[0], error)]
    middle = len(lines) // 2
    parts, bad = sift(lines[:middle], load)
    more_parts, more_bad = sift(lines[middle:], load)
    return parts + more_parts, bad + more_bad


def as_rejected(lines: Sequence[bytes], loaded_at: datetime) -> pa.Table:
    """Rows of `_turnout.rejected_events` for lines that cannot be loaded."""
    text, time = pa.string(), pa.timestamp("us")
    names = ("id", "source", "schema_name", "reason", "head")
    types = {**dict.fromkeys(names, text), "received_at": time, "loaded_at": time}
    at = loaded_at.astimezone(UTC).replace(tzinfo=None)
    return pa.Table.from_pylist([_rejected(line, at) for line in lines], pa.schema(types))


def _rejected(line: bytes, loaded_at: datetime) -> dict[str, Any]:
    try:
        known = msgspec.json.decode(line, type=Line)
    except (msgspec.MsgspecError, RecursionError):
        known = Line()
    head = (bytes(known.event) or line)[:HEAD_BYTES_MAX].decode(errors="ignore")
    return {
        "id": known.id,
        "source": known.source,
        "schema_name": known.schema,
        "received_at": known.received_at and known.received_at.replace(tzinfo=None),
        "reason": NOT_LOADABLE,
        "head": head,
        "loaded_at": loaded_at,
    }
