"""Two addresses for whatever watches this process."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from litestar import Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from turnout.errors import NoSnapshot
from turnout.web.visit import Visit

NOT_KEPT = {"Cache-Control": "no-store"}


@get("/healthz")
async def show_health() -> Response[dict[str, Any]]:
    """The process lives and answers."""
    return Response({"ok": True}, status_code=HTTP_200_OK, headers=NOT_KEPT)


@get("/readyz")
async def show_readiness(request: Visit) -> Response[dict[str, Any]]:
    """Whether pages can answer: the state database is there, and something can be queried."""
    reason = await asyncio.to_thread(_missing, request)
    status = HTTP_503_SERVICE_UNAVAILABLE if reason else HTTP_200_OK
    body = {"ok": not reason} | ({"reason": reason} if reason else {})
    return Response(body, status_code=status, headers=NOT_KEPT)


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
