"""Every error family. A family says who must act; its docstring is its default message.

Errors are raised deep in the house and become a status code in `web/responses.py` or an exit
code in `cli/`, and nowhere else.
"""

from __future__ import annotations

import inspect


class TurnoutError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        """`message` says what happened and to which thing; `hint` says what to do next."""
        self.message = message or inspect.getdoc(type(self)) or ""
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(TurnoutError):
    """The configuration cannot be used as it is."""  # who acts: the operator


class HomeUnusable(ConfigError):
    """The home folder cannot be used."""


class PortInUse(ConfigError):
    """Another program already listens on this port."""


class AlreadyRunning(ConfigError):
    """Another Turnout already runs in this home folder."""


class InvalidMessage(TurnoutError):
    """This event cannot be accepted."""  # who acts: the sender

    def __init__(self, reason: str, message: str | None = None) -> None:
        """`reason` is one of the codes counted in `_turnout.rejected_events`."""
        self.reason = reason
        super().__init__(message or reason)


class BadRequest(TurnoutError):
    """The request cannot be understood."""


class BodyTooLarge(BadRequest):
    """The request is larger than allowed."""


class FileUnreadable(BadRequest):
    """The file cannot be read to its end."""


class UnknownKey(TurnoutError):
    """This write key is not known here."""

    def __init__(self, message: str | None = None, *, key: str = "") -> None:
        """`key` is what was given, if anything."""
        super().__init__(message)
        self.key = key


class RateExceeded(TurnoutError):
    """More requests came than this write key may send; send the events again later."""

    def __init__(self, message: str | None = None, *, retry_after_s: int) -> None:
        """`retry_after_s` is when the next request will be taken."""
        self.retry_after_s = retry_after_s
        super().__init__(message)


class JournalUnavailable(TurnoutError):
    """Events cannot be stored durably right now; send them again later."""


class NotSignedIn(TurnoutError):
    """Please sign in."""


class NotAllowed(TurnoutError):
    """You may not do this."""


class OriginRefused(NotAllowed):
    """This write key may not be used from pages of that origin."""  # who acts: the key's owner


class TooManyAttempts(TurnoutError):
    """Too many attempts; wait a minute and try again."""


class NotFound(TurnoutError):
    """There is nothing at this address."""


class QueryRefused(TurnoutError):
    """This query is not one that clips may run."""  # who acts: the clip's author


class QueryFailed(TurnoutError):
    """The query failed."""


class QueryTimedOut(QueryFailed):
    """The query ran longer than allowed and was stopped."""


class QueryTooLarge(QueryFailed):
    """The query needs more memory, rows or bytes than allowed."""


class Busy(TurnoutError):
    """Too many queries are waiting; try again in a moment."""


class WarehouseUnavailable(TurnoutError):
    """The warehouse cannot be reached right now."""  # nobody acts: it is retried


class NoSnapshot(WarehouseUnavailable):
    """There is nothing to query yet: no snapshot of the warehouse has been published."""


class LoadFailed(TurnoutError):
    """Events could not be loaded; they stay in the journal and loading is tried again."""


class Stopped(TurnoutError):
    """Stopped as asked, where nothing is left half done; run it again to finish it."""


class SourceUnavailable(TurnoutError):
    """The source database cannot be reached right now."""  # nobody acts: it is retried


class SourceRefused(TurnoutError):
    """The source database does not have, or does not allow, what the selection names."""


class LogLost(SourceRefused):
    """The source no longer has the changes from where they were read last."""
