"""What goes wrong at a MySQL server, as sentences: who must act, and what to do.

Only a driver's number is looked at. Its text may quote a value, and that is nobody's business.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from turnout.errors import LogLost, SourceRefused, SourceUnavailable, TurnoutError
from turnout.sync.mysql.address import Address
from turnout.sync.selection import SelectedTable

LOG_PURGED = 1236
NOT_REACHED = (2002, 2003, 2005)
# Numbers after which the same copy may succeed by itself, and what they mean.
PASSING = {
    0: "the connection broke",
    1040: "the server has no connection to spare",
    1053: "the server is stopping",
    1205: "the table is locked by another session",
    1213: "the server gave it up for another transaction",
    1226: "this user has used up what it may do in an hour",
    1317: "the read was cancelled",
    1412: "the table was altered while it was read",
    1927: "the server ended the connection",
    1969: "the read took longer than allowed",
    2006: "the connection broke",
    2013: "the connection broke",
    2014: "the connection broke",
    2055: "the connection broke",
    3024: "the read took longer than allowed",
    4031: "the server ended the connection",
}
# What a server answers to a user it does not let in.
REFUSED = {
    1044: "this user may not use the database",
    1045: "the user or its password is wrong",
    1049: "there is no such database",
    1129: "it has blocked this host after too many errors",
    1130: "it does not let this host in",
    1251: "it wants another way to sign in",
    1698: "the user or its password is wrong",
    1820: "the password of this user has expired",
    1862: "the password of this user has expired",
    2026: "no protected connection came about",
    2059: "it wants another way to sign in",
    2061: "it wants another way to sign in",
    3118: "this user is locked",
    3159: "it lets in protected connections only",
    4151: "this user is locked",
}
NO_RIGHT = (1142, 1143, 1227, 1370)
MISSING = {1146: "is not there any more", 1054: "has lost a column that is selected"}


@contextmanager
def explained(address: Address, table: SelectedTable | None = None) -> Iterator[None]:
    """Raise a driver's error as `SourceUnavailable` or `SourceRefused`, with a sentence."""
    try:
        yield
    except pymysql.Error as error:
        # Nothing of the driver's own is kept, not even as a cause.
        raise _sentence(error, address, table) from None
    except ssl.SSLError as error:
        raise _unprotected(address, error) from None
    except OSError:
        raise SourceUnavailable(
            f"The source {address.place} could not be read to its end: the connection broke."
        ) from None


def number_of(error: pymysql.Error) -> int:
    """The server's or the driver's number of an error, 0 when it has none."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def _sentence(error: pymysql.Error, address: Address, table: SelectedTable | None) -> TurnoutError:
    number = number_of(error)
    what = f"The table '{table.label}'" if table else f"The source {address.place}"
    if number in NOT_REACHED:
        return _not_reached(error, address)
    if number == LOG_PURGED:
        return log_lost(address)
    if number in PASSING:
        return SourceUnavailable(f"{what} could not be read to its end: {PASSING[number]}.")
    return _refusal(number, what, address)


def _refusal(number: int, what: str, address: Address) -> SourceRefused:
    """What no other try will change."""
    if number in REFUSED:
        return SourceRefused(
            f"The source {address.place} refuses the connection: {REFUSED[number]}.",
            hint="Correct the url of this source.",
        )
    if number in NO_RIGHT:
        return SourceRefused(
            f"{what} may not be read by this user.",
            hint="It lacks a right: `turnout check` says which, and how to give it.",
        )
    if number in MISSING:
        return SourceRefused(
            f"{what} {MISSING[number]}.", hint="Correct the selection in turnout.toml."
        )
    return SourceRefused(f"{what} cannot be read (MySQL's error {number}).")


def log_lost(address: Address) -> LogLost:
    """The changes since the last ones are gone from the server."""
    return LogLost(
        f"The source {address.place} has no log any more of the changes since the last ones.",
        hint="Raise binlog_expire_logs_seconds there, so that it keeps its log for longer.",
    )


def _not_reached(error: pymysql.Error, address: Address) -> TurnoutError:
    """No connection came about. The driver says in its text, and keeps as its cause, why."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLError):
        return _unprotected(address, cause)
    why = "nothing answers there"
    if isinstance(cause, TimeoutError):
        why = "no answer came in time"
    elif isinstance(cause, OSError) and cause.strerror:
        why = cause.strerror.lower()
    return SourceUnavailable(f"The source {address.place} cannot be reached: {why}.")


def _unprotected(address: Address, error: ssl.SSLError) -> TurnoutError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SourceRefused(
            f"The certificate of the source {address.place} cannot be trusted: "
            f"{error.verify_message.rstrip('.')}.",
            hint="Name the authority's certificate as ssl-ca=… in its url, and the server by the "
            "name that its certificate says.",
        )
    return SourceUnavailable(
        f"The source {address.place} could not be read to its end: the connection broke."
    )
