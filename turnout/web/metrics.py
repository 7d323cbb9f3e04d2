"""`/metrics`: what Prometheus reads."""

from __future__ import annotations

import asyncio

from litestar import Response, get
from litestar.status_codes import HTTP_200_OK

from turnout import meters
from turnout.errors import NotAllowed
from turnout.web.visit import Visit


@get("/metrics")
async def show_metrics(request: Visit) -> Response[bytes]:
    """The meters of all processes of this installation."""
    if not meters.may_read(
        peer=request.client.host if request.client else "",
        is_forwarded=any(name in request.headers for name in meters.FORWARDED),
        authorization=request.headers.get("authorization", ""),
        token=request.rooms.config.metrics.token,
    ):
        raise NotAllowed(meters.REFUSAL)
    text, content_type = await asyncio.to_thread(meters.exposition)
    return Response(
        text,
        status_code=HTTP_200_OK,
        media_type=content_type,
        headers={"Cache-Control": "no-store"},
    )
