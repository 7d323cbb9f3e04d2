"""Turning what a PostgreSQL server or its driver says into one sentence of ours.

A server's message may quote values of rows, so it is passed on only where it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict

from turnout.errors import SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.selection import SelectedTable

CONFLICT = "40001"
BROKEN = "08006"
# Codes, or their first letters, after which the same copy may succeed by itself.
PASSING = ("08", "40", "53", "55P03", "57", "58", "25P03", "XX")
# What a server answers while connecting, when it is there and says no.
REFUSALS = (
    "password authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "permission denied for database",
    "is not permitted to log in",
    "SSL",
    "certificate",
)
MISSING = re.compile(r'(role|database) "[^"]*" does not exist')


@contextmanager
def explained(url: str, table: SelectedTable | None = None) -> Iterator[None]:
    """Raise a driver's error as `SourceUnavailable` or `SourceRefused`, with a sentence."""
    try:
        yield
    except (psycopg.Error, adbc_driver_manager.Error) as error:
        raise _sentence(error.sqlstate or "", str(error), url, table) from None
    except (OSError, pa.ArrowException) as error:
        # Within a stream the driver's error arrives through Arrow, which drops its code.
        code = CONFLICT if "conflict with recovery" in str(error) else BROKEN
        raise _sentence(code, str(error), url, table) from None


def place(url: str) -> str:
    """The server's address, as safe to print as `host:port/database`."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def understood(url: str) -> str:
    """`url`, if it can be taken apart. Raises `SourceRefused` without quoting any of it.

    A password with an unescaped '/' or '@' ends up where the host or the port should be, and
    from there in messages.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"port": "?"}
    if not re.fullmatch("[0-9,]*", str(parts.get("port", ""))) or "@" in str(parts.get("host")):
        raise SourceRefused(
            "The url of this source cannot be understood.",
            hint="Write postgresql://user:password@host:port/database, and in the password "
            "%40 for '@', %2F for '/', %25 for '%'.",
        )
    return url


def _sentence(code: str, said: str, url: str, table: SelectedTable | None) -> TurnoutError:
    what = f"The table '{table.label}'" if table else f"The source {place(url)}"
    if not code:
        return _without_code(said, url)
    if code == "42501":
        return SourceRefused(
            f"{what} may not be read as a whole by this role.",
            hint="It lacks a right, or a row policy hides rows from it: `turnout check` says more.",
        )
    if code.startswith(PASSING):
        return SourceUnavailable(
            f"{what} could not be read to its end: {_meaning(code)}.",
            hint=_remedy(code),
        )
    return SourceRefused(f"{what} cannot be read (PostgreSQL's code {code}).")


def _without_code(message: str, url: str) -> TurnoutError:
    """A connection that did not come about, or broke."""
    text = " ".join(message.split())
    said = text.rpartition("failed: ")[2].removeprefix("FATAL: ").strip()
    if any(word in text for word in REFUSALS) or MISSING.search(text):
        return SourceRefused(
            f"The source {place(url)} refuses the connection: {said}.",
            hint="Correct the url of this source.",
        )
    return SourceUnavailable(f"The source {place(url)} cannot be reached: {said}.")


def _meaning(code: str) -> str:
    if code.startswith("40"):
        return "the follower cancelled the read to go on replaying"
    if code == "57014":
        return "the read took longer than allowed or was cancelled"
    if code.startswith("57"):
        return "the server is stopping or starting"
    if code.startswith("53"):
        return "the server has no connection or memory to spare"
    if code == "55P03":
        return "the table is locked by another session"
    return "the connection broke"


def _remedy(code: str) -> str | None:
    if not code.startswith("40"):
        return None
    return "Set hot_standby_feedback = on on the follower, or raise max_standby_streaming_delay."
