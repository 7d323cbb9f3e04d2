"""Two addresses for whatever watches this process."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from litestar import Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from turnout.errors import NoSnapshot
from turnout.events.journal.disk import Disk
from turnout.web.visit import Visit

NOT_KEPT = {"Cache-Control": "no-store"}


@get("/healthz")
async def show_health() -> Response[dict[str, Any]]:
    """The process lives and answers."""
    return Response({"ok": True}, status_code=HTTP_200_OK, headers=NOT_KEPT)


@get("/readyz")
async def show_readiness(request: Visit) -> Response[dict[str, Any]]:
    """Whether pages can answer, and how far what they say is behind what was accepted."""
    reason = await asyncio.to_thread(_missing, request)
    if reason:
        missing = {"ok": False, "reason": reason}
        return Response(missing, status_code=HTTP_503_SERVICE_UNAVAILABLE, headers=NOT_KEPT)
    backlog_bytes = await asyncio.to_thread(request.rooms.backlog_bytes)
    body: dict[str, Any] = {
        "ok": True,
        "backlog_bytes": backlog_bytes,
        # Asked after the backlog: what was loaded by then is in the snapshot when this is true.
        "is_level": backlog_bytes == 0 and request.rooms.follower.is_level,
    }
    if note := Disk(request.rooms.config.journal_folder).note:
        body["notes"] = [note]
    return Response(body, status_code=HTTP_200_OK, headers=NOT_KEPT)


def _missing(visit: Visit) -> str:
    try:
        with visit.rooms.state.connect() as connection:
            connection.execute(sa.select(1))
        visit.rooms.follower.current()
    except sa.exc.SQLAlchemyError:
        return "The state database does not answer."
    except NoSnapshot as error:
        return error.message
    return ""
