"""*What leaves*: every column that is copied and every one that is not, to read and hand over."""

from __future__ import annotations

import asyncio

from litestar import Response, get

from turnout.sync.report import Report, as_csv, as_json, make_report
from turnout.web.address import attachment
from turnout.web.visit import Visit, signed_in

FILE_TITLE = "What leaves"


@get("/privacy", guards=[signed_in])
async def show_report(request: Visit) -> Response[str]:
    """Source by source, table by table."""
    report = await asyncio.to_thread(_report, request)
    return request.page("privacy.html", report=report)


@get("/privacy.json", guards=[signed_in])
async def send_json(request: Visit) -> Response[bytes]:
    """The same with everything, for programs."""
    report = await asyncio.to_thread(_report, request)
    return _file(as_json(report), "application/json", "json")


@get("/privacy.csv", guards=[signed_in])
async def send_csv(request: Visit) -> Response[bytes]:
    """A line for each column, for an auditor's table."""
    report = await asyncio.to_thread(_report, request)
    return _file(as_csv(report).encode(), "text/csv", "csv")


def _report(visit: Visit) -> Report:
    return make_report(visit.rooms.config, visit.rooms.warehouse, now=visit.now)


def _file(content: bytes, media_type: str, format_: str) -> Response[bytes]:
    headers = {
        "Content-Disposition": attachment(FILE_TITLE, format_),
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media_type, headers=headers)
