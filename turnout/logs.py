"""Structured logs: one line per happening, never a token, a key or an event's body."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

# Values under these names never reach a log line, whoever puts them there.
SECRET_NAMES = frozenset(
    {"token", "key", "write_key", "password", "secret", "url", "body", "message", "cookie"}
)


def configure(process: str, *, as_json: bool | None = None) -> None:
    """Log to standard error, each line marked with the `process` that wrote it.

    Lines are JSON when standard error is not a terminal, unless `as_json` says otherwise.
    """
    plain = sys.stderr.isatty() if as_json is None else not as_json
    renderer = structlog.dev.ConsoleRenderer() if plain else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def hide_secrets(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace every value whose name is in `SECRET_NAMES`."""
    for name in SECRET_NAMES & line.keys():
        line[name] = "hidden"
    return line
