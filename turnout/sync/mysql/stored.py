"""Values that a server stores otherwise than it writes them."""

from __future__ import annotations

import ipaddress
import json
import uuid
from collections.abc import Callable, Mapping

from pymysqlreplication.json_binary import parse_json

UUID_VERSION_6 = 0x60


def document(value: bytes) -> bytes:
    """MySQL's own form of a JSON document."""
    if not value:
        return b"null"
    document = parse_json(value[0], value[1:])
    return json.dumps(_plain(document), ensure_ascii=False, default=str).encode()


def _plain(part: object) -> object:
    """Names and texts of a document come as bytes."""
    if isinstance(part, bytes):
        return part.decode()
    if isinstance(part, dict):
        return {_plain(name): _plain(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_plain(value) for value in part]
    return part


def _uuid(value: bytes) -> bytes:
    """MariaDB stores the parts of most of them from the last to the first, to sort by time."""
    value = value.ljust(16, b"\0")
    is_turned = value[6] & 0x80 and 0 < value[8] < UUID_VERSION_6
    if is_turned:
        value = value[12:16] + value[10:12] + value[8:10] + value[6:8] + value[0:6]
    return str(uuid.UUID(bytes=value)).encode()


def _inet6(value: bytes) -> bytes:
    return str(ipaddress.IPv6Address(value.ljust(16, b"\0"))).encode()


def _inet4(value: bytes) -> bytes:
    return str(ipaddress.IPv4Address(value.ljust(4, b"\0"))).encode()


# Types of MariaDB's that are stored otherwise than they are written.
STORED: Mapping[str, Callable[[bytes], bytes]] = {
    "uuid": _uuid,
    "inet6": _inet6,
    "inet4": _inet4,
}
