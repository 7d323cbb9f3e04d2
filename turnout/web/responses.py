"""Errors → status codes: the one table, and the one place where an error becomes a page or JSON."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from litestar import MediaType, Response
from litestar.exceptions import HTTPException

from turnout.clips.formats import FORMATS
from turnout.errors import (
    BadRequest,
    BodyTooLarge,
    Busy,
    JournalUnavailable,
    NotAllowed,
    NotFound,
    NotSignedIn,
    QueryFailed,
    QueryRefused,
    QueryTimedOut,
    SourceRefused,
    SourceUnavailable,
    TooManyAttempts,
    TurnoutError,
    UnknownKey,
    WarehouseUnavailable,
)
from turnout.web.visit import Visit, go

log = structlog.get_logger()

# The nearest family counts. What is not here is our own fault: 500.
STATUS: dict[type[TurnoutError], int] = {
    BadRequest: 400,
    NotSignedIn: 401,
    UnknownKey: 401,
    NotAllowed: 403,
    NotFound: 404,
    BodyTooLarge: 413,
    QueryRefused: 422,
    QueryFailed: 422,
    TooManyAttempts: 429,
    SourceRefused: 502,
    Busy: 503,
    JournalUnavailable: 503,
    SourceUnavailable: 503,
    WarehouseUnavailable: 503,
    QueryTimedOut: 504,
}

TITLES = {
    400: "That cannot be understood",
    401: "Please sign in",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not like this",
    413: "Too large",
    422: "The query did not work",
    429: "One moment, please",
    503: "Not ready yet",
    504: "That took too long",
}
OUR_FAULT = "Something broke on our side"

# What the web framework refuses by itself, in our words.
REFUSALS = {
    400: BadRequest(),
    404: NotFound(hint="Check the address, or begin at the home page."),
    405: TurnoutError("This address cannot be used that way."),
    413: BodyTooLarge(),
}

RETRY_AFTER_S = {429: 60, 503: 2}
DATA_SUFFIXES = (*(f".{name}" for name in FORMATS), ".svg", ".png", "/healthz", "/readyz")
TRACE_LINES = 6
HOUSE = str(Path(__file__).parents[1])


def status_of(error: TurnoutError) -> int:
    """The status code of an error's family."""
    return next((STATUS[family] for family in type(error).__mro__ if family in STATUS), 500)


def answer_error(visit: Visit, error: TurnoutError) -> Response[Any]:
    """An error of ours, as a page or as JSON."""
    status = status_of(error)
    if status == STATUS[NotSignedIn] and not wants_data(visit):
        return go(_sign_in_path(visit))
    if status >= 500 and status not in RETRY_AFTER_S and not isinstance(error, QueryFailed):  # noqa: PLR2004
        _log(visit, error)
    return error_response(visit, status, error.message, error.hint)


def answer_refusal(visit: Visit, error: HTTPException) -> Response[Any]:
    """A refusal of the web framework; its own words stay inside."""
    refusal = REFUSALS.get(error.status_code)
    if refusal is None:
        return answer_surprise(visit, error)
    return error_response(visit, error.status_code, refusal.message, refusal.hint)


def answer_surprise(visit: Visit, error: Exception) -> Response[Any]:
    """Anything else: recorded here, and nothing of it is shown."""
    _log(visit, error)
    hint = "Try again. If it stays, look at Turnout's log: it says where it happened."
    return error_response(visit, 500, "This page could not be made.", hint)


def error_response(visit: Visit, status: int, message: str, hint: str | None) -> Response[Any]:
    """One sentence and what to do, in the form that was asked for."""
    response: Response[Any]
    if wants_data(visit):
        body = {"error": message, "hint": hint}
        response = Response(body, status_code=status, media_type=MediaType.JSON)
    else:
        title = TITLES.get(status, OUR_FAULT)
        show = visit.reader_page if is_reader(visit.url.path) else visit.page
        response = show(
            "error.html", status=status, title=title, message=message, hint=hint, number=status
        )
    response.headers["Cache-Control"] = "no-store"
    if status in RETRY_AFTER_S:
        response.headers["Retry-After"] = str(RETRY_AFTER_S[status])
    return response


def wants_data(visit: Visit) -> bool:
    """Whether a program asks: its address ends like data, or it says so."""
    if visit.url.path.endswith(DATA_SUFFIXES):
        return True
    accept = visit.headers.get("accept", "")
    return "json" in accept and "html" not in accept


def is_reader(path: str) -> bool:
    """Whether this is an address for anybody with a link."""
    return path.startswith("/s/")


def masked(path: str) -> str:
    """`path` without the token it may hold, for the log."""
    first, _, rest = path.lstrip("/").partition("/")
    return f"/{first}/…" if rest and first in {"s", "welcome"} else path


def _sign_in_path(visit: Visit) -> str:
    if visit.method != "GET" or visit.url.path == "/":
        return "/sign-in"
    query = visit.url.query
    return f"/sign-in?{urlencode({'next': visit.url.path + (query and f'?{query}')})}"


def _log(visit: Visit, error: Exception) -> None:
    """Where it happened and of which kind; never its text, which may hold values."""
    log.error(
        "request failed",
        method=visit.method,
        path=masked(visit.url.path),
        kind=type(error).__name__,
        trace=_trace(error),
    )


def _trace(error: Exception) -> str:
    """The way through our own house, and the last step, which may lie in a library."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames[:-1] if frame.filename.startswith(HOUSE)]
    return "".join(traceback.format_list([*ours[-TRACE_LINES:], *frames[-1:]]))
