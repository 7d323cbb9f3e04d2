"""The url of a MySQL or MariaDB source, taken apart, and how its connection is protected."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from turnout.errors import SourceRefused

PORT = 3306
# Spellings of both worlds, so that an address may be written as for either.
MODES = {
    "disabled": "DISABLED",
    "disable": "DISABLED",
    "required": "REQUIRED",
    "require": "REQUIRED",
    "verify_ca": "VERIFY_CA",
    "verify_identity": "VERIFY_IDENTITY",
    "verify_full": "VERIFY_IDENTITY",
}
WEAK = ("preferred", "prefer", "allow")
OPTIONS = {
    "ssl_mode": "ssl_mode",
    "sslmode": "ssl_mode",
    "ssl_ca": "ssl_ca",
    "sslrootcert": "ssl_ca",
    "ssl_cert": "ssl_cert",
    "sslcert": "ssl_cert",
    "ssl_key": "ssl_key",
    "sslkey": "ssl_key",
    "socket": "socket",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, who we are there, and which database is meant. Holds the password."""

    host: str
    port: int
    user: str
    password: str
    database: str
    socket: str = ""
    ssl_mode: str = "VERIFY_IDENTITY"
    ssl_ca: str = ""
    ssl_cert: str = ""
    ssl_key: str = ""

    @property
    def place(self) -> str:
        """The address as safe to print."""
        where = self.socket or f"{self.host}:{self.port}"
        return f"{where}/{self.database}"

    @property
    def is_local(self) -> bool:
        """Whether no network lies between."""
        return bool(self.socket) or _is_loopback(self.host)

    def tls(self) -> ssl.SSLContext | None:
        """What the connection is protected with, None for nothing.

        Raises `SourceRefused` when a certificate's file cannot be used.
        """
        if self.ssl_mode == "DISABLED":
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca or None)
            if self.ssl_cert:
                context.load_cert_chain(self.ssl_cert, self.ssl_key or None)
        except (OSError, ssl.SSLError):
            raise SourceRefused(
                f"The certificates for {self.place} cannot be read.",
                hint="Correct ssl-ca, ssl-cert and ssl-key in the url of this source.",
            ) from None
        context.check_hostname = self.ssl_mode == "VERIFY_IDENTITY"
        if self.ssl_mode == "REQUIRED":
            context.verify_mode = ssl.CERT_NONE
        return context


def understood(url: str) -> Address:
    """`url` taken apart. Raises `SourceRefused` without quoting any of it.

    A password with an unescaped '/' or '@' ends up where the host or the port should be.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise _not_understood() from None
    if "@" in (parts.username or "") + (parts.password or "") + (parts.hostname or ""):
        raise _not_understood()
    options = _options(parts.query)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or parts.fragment:
        raise _not_understood()
    host = parts.hostname or "localhost"
    is_local = bool(options.get("socket")) or _is_loopback(host)
    return Address(
        host,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        database,
        options.get("socket", ""),
        _mode(options.get("ssl_mode", ""), is_local=is_local),
        options.get("ssl_ca", ""),
        options.get("ssl_cert", ""),
        options.get("ssl_key", ""),
    )


def _options(query: str) -> dict[str, str]:
    options = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        known = OPTIONS.get(name.lower().replace("-", "_"))
        if known is None:
            raise SourceRefused(
                "The url of this source has an option that is not known.",
                hint="There are: ssl-mode, ssl-ca, ssl-cert, ssl-key, socket.",
            )
        options[known] = value
    return options


def _mode(said: str, *, is_local: bool) -> str:
    """How the connection is protected: fully, unless no network lies between."""
    word = said.lower().replace("-", "_")
    if not word:
        return "DISABLED" if is_local else "VERIFY_IDENTITY"
    if word in WEAK or (word in ("disabled", "disable") and not is_local):
        raise SourceRefused(
            f"ssl-mode={said} would let anybody on the way read what is copied.",
            hint="Write ssl-mode=VERIFY_IDENTITY, and the authority's certificate as ssl-ca=….",
        )
    if word not in MODES:
        raise SourceRefused(
            "The ssl-mode in the url of this source is not known.",
            hint="There are: VERIFY_IDENTITY, VERIFY_CA, REQUIRED and, on loopback, DISABLED.",
        )
    return MODES[word]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _not_understood() -> SourceRefused:
    return SourceRefused(
        "The url of this source cannot be understood.",
        hint="Write mysql://user:password@host:port/database, and in the password "
        "%40 for '@', %2F for '/', %25 for '%'.",
    )
