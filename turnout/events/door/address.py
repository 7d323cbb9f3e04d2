"""Where a request comes from, and how much of an address is kept."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

KEEP, TRUNCATE, DROP = "keep", "truncate", "drop"
# What is left of an address that is cut to its network.
NETWORK_BITS = {4: 24, 6: 48}
REMEMBERED_MAX = 10_000
# No address is longer, with its brackets, zone and port; what is longer is not remembered either.
ADDRESS_CHARS_MAX = 100


def parse(text: str) -> Address | None:
    """The address in `text`, which may have brackets and a port; None when it is none."""
    if len(text) > ADDRESS_CHARS_MAX:
        return None
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(REMEMBERED_MAX)
def of_sender(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address of whoever sent a request that came from `peer`.

    `forwarded_for` is believed only as far as the proxies that wrote it are `trusted`: read from
    its end, the first address that is no such proxy is the sender's.
    """
    sender = parse(peer)
    hops = forwarded_for.split(",") if forwarded_for else []
    while sender is not None and hops and _is_in(sender, trusted):
        before = parse(hops.pop())
        if before is None:
            break
        sender = before
    return "" if sender is None else str(sender)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether `peer` is one of our own proxies."""
    address = parse(peer)
    return address is not None and _is_in(address, trusted)


def kept(ip: Any, policy: str) -> Any:
    """What of an event's `ip` may be stored; None for nothing of it."""
    if not ip or policy == DROP:
        return None
    if policy == KEEP:
        return ip
    is_short = isinstance(ip, str) and len(ip) <= ADDRESS_CHARS_MAX
    return _network(ip) if is_short else None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises `ValueError` for what is neither an address nor a network."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def _is_in(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


@lru_cache(REMEMBERED_MAX)
def _network(ip: str) -> str | None:
    """What is no address cannot be cut to a network, so it is left out."""
    address = parse(ip)
    if address is None:
        return None
    bits = NETWORK_BITS[address.version]
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)
