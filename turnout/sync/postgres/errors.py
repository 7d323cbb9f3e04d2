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

BROKEN = "08006"
CONFLICT = "40001"
TIMEOUT = "57014"
LOCKED = "55P03"
NO_TEXT = (
    "holds text that is not valid, or that UTF-8 cannot say",
    "Mend it at the source: nothing is replaced on the way.",
)
REASONS = {
    "42501": (
        "may not be read as a whole by this role",
        "It lacks a right, or a row policy hides rows from it: `turnout check` says more.",
    ),
    "42P01": ("is gone or was renamed", None),
    "42703": ("has lost or renamed a column", None),
    "22021": NO_TEXT,
    "22P05": NO_TEXT,
}
# What joining a snapshot that is over answers, from PostgreSQL 17 on and before.
GONE = ("42704", "22023")
# Reading a part again inside the same snapshot makes sense: the connection or the statement ended,
# the snapshot did not. A conflict with replay is none of these: it ends the snapshot.
WITHIN_SNAPSHOT = ("08", "53", "57014", "57P", "58")
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


class TableLocked(SourceUnavailable):
    """A table is locked by another session."""


DRIVER_ERRORS = (psycopg.Error, adbc_driver_manager.Error, OSError, pa.ArrowException)


def code_of(error: BaseException) -> str:
    """The server's code for it; that of a broken connection when the server said none."""
    code = getattr(error, "sqlstate", None)
    if code:
        return str(code)
    return CONFLICT if "conflict with recovery" in str(error) else BROKEN


def is_broken(code: str) -> bool:
    """Whether the connection ended, whatever became of the server."""
    return code.startswith(("08", "57P", "25P03"))


def is_repeatable(code: str) -> bool:
    """Whether reading again inside the same snapshot may succeed."""
    return code.startswith(WITHIN_SNAPSHOT)


@contextmanager
def joining() -> Iterator[None]:
    """Joining a snapshot: when it is over, what is read in it begins again."""
    try:
        yield
    except DRIVER_ERRORS as error:
        if code_of(error) not in GONE:
            raise
        raise SourceUnavailable(
            "The snapshot ended before every connection had joined it.",
            hint="The copy begins again with a new one.",
        ) from None


@contextmanager
def explained(url: str, table: SelectedTable | None = None) -> Iterator[None]:
    """Raise a driver's error as `SourceUnavailable` or `SourceRefused`, with a sentence."""
    try:
        yield
    except (psycopg.Error, adbc_driver_manager.Error) as error:
        raise _sentence(error.sqlstate or "", str(error), url, table) from None
    except (OSError, pa.ArrowException) as error:
        # Through Arrow a driver's error may arrive without its code.
        raise _sentence(code_of(error), str(error), url, table) from None


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
    if code == LOCKED and table:
        return TableLocked(f"{what} is locked by another session: the next copy tries again.")
    if code.startswith(PASSING):
        return SourceUnavailable(
            f"{what} could not be read to its end: {_meaning(code)}.",
            hint=_remedy(code),
        )
    if table and table.settings.where and code.startswith(("42", "22")) and code != "42501":
        return SourceRefused(
            f"{what} cannot be read under the condition that its `where` sets "
            f"(PostgreSQL's code {code}).",
            hint="Write it as after WHERE in SQL, with functions and types by their full names.",
        )
    means, hint = REASONS.get(code, (f"cannot be read (PostgreSQL's code {code})", None))
    return SourceRefused(f"{what} {means}.", hint=hint)


def _without_code(message: str, url: str) -> TurnoutError:
    """A connection that did not come about, or broke."""
    text = " ".join(message.partition("Query was:")[0].split())
    said = text.rpartition("failed: ")[2].removeprefix("FATAL: ").strip()
    # libpq goes on with a question to whoever sits in front of psql.
    said = said.partition(" Is the server running")[0]
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
        return "a statement took longer than statement_s_max allows, or was cancelled there"
    if code.startswith("57"):
        return "the server is stopping or starting"
    if code.startswith("53"):
        return "the server has no connection or memory to spare"
    if code == LOCKED:
        return "something in it is locked by another session"
    return "the connection broke"


def _remedy(code: str) -> str | None:
    if not code.startswith("40"):
        return None
    return "Set hot_standby_feedback = on on the follower, or raise max_standby_streaming_delay."
