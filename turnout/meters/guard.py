"""Who may read the meters: whoever holds the token, or, while there is none, this machine."""

from __future__ import annotations

import hmac
import ipaddress

REFUSAL = (
    "Metrics are for whoever sends the token of [metrics] in turnout.toml as "
    "'Authorization: Bearer <token>'; while none is set there, for this machine."
)

# What proxies add, each its own choice of these.
FORWARDED = (
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-real-ip", "cf-connecting-ip", "true-client-ip"),
)


def may_read(*, peer: str, is_forwarded: bool, authorization: str, token: str) -> bool:
    """Whether a request may see the meters.

    `peer` is the address it comes from, and `is_forwarded` says that it has one of the headers
    `FORWARDED`: a proxy on this machine passes on requests from anywhere. Some add no header,
    so once there is a `token`, it alone decides.
    """
    if not token:
        return not is_forwarded and _is_loopback(peer)
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), token.encode()
    )


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None)
    return bool((inner or address).is_loopback)
