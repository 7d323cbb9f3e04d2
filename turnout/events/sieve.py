"""Parting the lines that cannot be loaded from the many that can.

Nothing is known of such a line but that loading fails with it, so halves are tried, and halves of
the halves: one bad line among thousands costs a dozen tries, and never stops the rest. Lines that
only fail together, such as those with too many different paths, are loaded apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import pyarrow as pa

from turnout.errors import WarehouseUnavailable
from turnout.events.line import HEAD_BYTES_MAX

NOT_LOADABLE = "not_loadable"
Part = TypeVar("Part")


class Line(msgspec.Struct):
    """What is told of a line that cannot be loaded. `Raw` keeps bytes as they were sent."""

    id: str | None = None
    source: str | None = None
    received_at: str | None = None
    event: msgspec.Raw = msgspec.Raw(b"")


def sift(
    lines: Sequence[bytes], load: Callable[[bytes], Part]
) -> tuple[list[Part], list[tuple[bytes, Exception]]]:
    """What `load` made of the good lines, in order, and the bad ones, each with what it raised.

    Raises `WarehouseUnavailable` as soon as it meets it: that is no line's fault.
    """
    try:
        return [load(b"\n".join(lines))], []
    except WarehouseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever a line causes must not stop the others
        if len(lines) == 1:
            return [], [(lines[0], error)]
    middle = len(lines) // 2
    parts, bad = sift(lines[:middle], load)
    more_parts, more_bad = sift(lines[middle:], load)
    return parts + more_parts, bad + more_bad


def as_rejected(lines: Sequence[bytes]) -> pa.Table:
    """Rows of `_turnout.rejected_events` for lines that cannot be loaded."""
    return pa.Table.from_pylist(
        [_rejected(line) for line in lines],
        pa.schema(
            [(name, pa.string()) for name in ("id", "source", "received_at", "reason", "head")]
        ),
    )


def _rejected(line: bytes) -> dict[str, str | None]:
    try:
        known = msgspec.json.decode(line, type=Line)
    except (msgspec.MsgspecError, RecursionError):
        known = Line()
    head = (bytes(known.event) or line)[:HEAD_BYTES_MAX].decode(errors="ignore")
    return {
        "id": known.id,
        "source": known.source,
        "received_at": known.received_at,
        "reason": NOT_LOADABLE,
        "head": head,
    }
