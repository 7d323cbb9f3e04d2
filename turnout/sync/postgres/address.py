"""Where a PostgreSQL server is, and that nobody in between can read along or pretend to be it."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from turnout import config
from turnout.errors import SourceRefused
from turnout.sync.postgres.errors import place, understood

# A server that is gone is noticed within a minute, whatever the operating system's defaults.
CONNECTION = {
    "application_name": "turnout",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# Where operating systems keep the certificates of the authorities they trust.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
# Ways of TLS by which the server's name is not, or nothing at all is checked.
UNCHECKED = ("require", "verify-ca")
REFUSED = ("disable", "allow", "prefer")


@dataclass(frozen=True, slots=True)
class Address:
    """One server. `url` and `conninfo` are secrets; `place` may be printed."""

    url: str
    conninfo: str
    place: str
    # Reached through loopback or a socket: nobody is in between.
    is_local: bool
    warning: str = ""


def addresses(source: config.Source) -> list[Address]:
    """Where to look for the source, in order. Raises `SourceRefused` for what cannot be used."""
    return [address(url) for url in config.followers_of(source)]


def address(url: str) -> Address:
    """The address `url`, checked as far as that goes without connecting to it.

    Unless the server is on this machine, its certificate is checked down to the name in it.
    Raises `SourceRefused` when `url` cannot be understood or asks for less than encryption.
    """
    parts = conninfo_to_dict(understood(url))
    where = place(url)
    if _is_local(parts):
        return Address(url, make_conninfo(url, **CONNECTION), where, is_local=True)
    mode = str(parts.get("sslmode") or os.environ.get("PGSSLMODE") or "verify-full")
    if mode in REFUSED:
        raise SourceRefused(
            f"The source {where} would be reached by sslmode={mode}, which anybody on the way "
            "can read or answer.",
            hint="Write sslmode=verify-full into its url, and sslrootcert=FILE if its certificate "
            "is not signed by a public authority.",
        )
    warning = (
        f"{where} is reached by sslmode={mode}: another server could pretend to be it. "
        "Write sslmode=verify-full into its url."
        if mode in UNCHECKED
        else ""
    )
    options = {**CONNECTION, "sslmode": mode, **_authorities(parts, mode)}
    return Address(url, make_conninfo(url, **options), where, is_local=False, warning=warning)


def _is_local(parts: Mapping[str, Any]) -> bool:
    """Whether every server it names is this machine."""
    named = parts.get("hostaddr") or parts.get("host")
    named = named or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST") or ""
    return all(_is_this_machine(host) for host in str(named).split(","))


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or not host or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _authorities(parts: Mapping[str, Any], mode: str) -> dict[str, str]:
    """Whom to trust, where neither the url nor the user's own file says it: as the system does."""
    said = parts.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    own = Path.home() / ".postgresql" / "root.crt"
    if said or own.exists() or not mode.startswith("verify"):
        return {}
    known = ssl.get_default_verify_paths().cafile
    for bundle in (known, *BUNDLES):
        if bundle and Path(bundle).exists():
            return {"sslrootcert": bundle}
    return {}
