"""An event in an image's address: `?data=<base64url JSON>`, or flat: `properties.plan=pro`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from turnout.errors import BadRequest

# Deeper than any address that means something.
STEPS_MAX = 10


def event_bytes(fields: Mapping[str, str]) -> bytes:
    """The event as JSON. `BadRequest` when `data` is not base64."""
    data = fields.get("data")
    if data is not None:
        return _unpacked(data)
    event: dict[str, Any] = {}
    for name, value in fields.items():
        if name != "writeKey":
            _put(event, name.split(".", STEPS_MAX), value)
    return msgspec.json.encode(event)


def _unpacked(data: str) -> bytes:
    """Both alphabets, with and without the signs that fill it up."""
    plain = data.strip().replace("-", "+").replace("_", "/").replace(" ", "+").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("The field 'data' is not base64.") from None


def _put(inside: dict[str, Any], steps: list[str], value: str) -> None:
    """A later field goes over an earlier one that stands in its way."""
    *path, last = steps
    for step in path:
        below = inside.get(step)
        if not isinstance(below, dict):
            below = inside[step] = {}
        inside = below
    inside[last] = value
