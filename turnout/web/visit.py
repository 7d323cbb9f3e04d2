"""A visit: one request, together with the rooms it may ask and the person who makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.handlers import BaseRouteHandler
from litestar.status_codes import HTTP_200_OK, HTTP_303_SEE_OTHER

from turnout.access.people import SESSION_VALID, Person
from turnout.errors import NotAllowed, NotSignedIn, Stopped
from turnout.web import form_token
from turnout.web.pages import Pages
from turnout.web.readings import Readings
from turnout.web.rooms import Rooms
from turnout.web.waiting import Waiting

Found = TypeVar("Found")

SESSION_COOKIE = "turnout_session"
VISIT_COOKIE = "turnout_visit"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Visit(Request[Person, Any, State]):
    """The request every page is given."""

    @property
    def rooms(self) -> Rooms:
        rooms: Rooms = self.app.state.rooms
        return rooms

    @property
    def waiting(self) -> Waiting:
        waiting: Waiting = self.app.state.waiting
        return waiting

    @property
    def readings(self) -> Readings:
        readings: Readings = self.app.state.readings
        return readings

    @property
    def now(self) -> datetime:
        now: datetime = self.app.state.clock()
        return now

    @property
    def person(self) -> Person | None:
        """Who is signed in, on routes that ask for it."""
        person: Person | None = self.scope.get("user")
        return person

    @property
    def browser(self) -> str:
        """What tells this browser from others; empty when it has no cookie of ours."""
        return self.cookies.get(SESSION_COOKIE) or self.cookies.get(VISIT_COOKIE) or ""

    async def fields(self) -> dict[str, str]:
        """The fields of a sent form, files left out."""
        form = await self.form()
        return {name: value for name, value in form.items() if isinstance(value, str)}

    async def texts(self, prefix: str) -> dict[str, tuple[str, ...]]:
        """The fields whose names begin with `prefix`, by the rest of it; empty ones left out."""
        form = await self.form()
        found: dict[str, tuple[str, ...]] = {}
        for name in dict.fromkeys(form.keys()):
            texts = [text for text in form.getall(name) if isinstance(text, str) and text.strip()]
            if name.startswith(prefix) and texts:
                found[name.removeprefix(prefix)] = tuple(texts)
        return found

    def page(self, template: str, *, status: int = HTTP_200_OK, **values: Any) -> Response[str]:
        """A page of the site itself. Nothing in between may keep it."""
        values.setdefault("form_token", form_token.make(self.app.state.secret, self.browser))
        html = self._render(template, person=self.person, path=self.url.path, **values)
        return _html(html, status, {"Cache-Control": "no-store"})

    def reader_page(
        self, template: str, *, status: int = HTTP_200_OK, keep_s: int = 0, **values: Any
    ) -> Response[str]:
        """A page for anybody: no cookie is read for it, none is set by it."""
        html = self._render(template, person=None, path="", **values)
        kept = f"private, max-age={keep_s}" if keep_s else "no-store"
        return _html(html, status, {"Cache-Control": kept})

    def _render(self, template: str, **values: Any) -> str:
        pages: Pages = self.app.state.pages
        return pages.render(template, now=self.now, **values)


def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of every page that is not for everybody."""
    token = connection.cookies.get(SESSION_COOKIE)
    state = connection.app.state
    person = state.rooms.people.session(token, now=state.clock()) if token else None
    if person is None:
        raise NotSignedIn
    connection.scope["user"] = person


async def check_form(visit: Visit) -> None:
    """Before every change: `NotAllowed` unless the form was shown to the browser that sends it."""
    if visit.method in SAFE_METHODS:
        return
    token = (await visit.fields()).get(form_token.FIELD, "")
    if not form_token.fits(visit.app.state.secret, visit.browser, token):
        raise NotAllowed(
            "This form was not sent from a page that is still valid.",
            hint="Go back, reload the page and send it again.",
        )


async def while_there(visit: Visit, work: Coroutine[Any, Any, Found]) -> Found:
    """What `work` comes to; it is stopped when whoever asked for it goes away."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(visit))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Stopped
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()


async def _gone(visit: Visit) -> None:
    while (await visit.receive())["type"] != "http.disconnect":
        pass


def go(path: str, *, cookies: list[Cookie] | None = None) -> Response[None]:
    """After a change: look at `path`."""
    headers = {"Location": path, "Cache-Control": "no-store"}
    return Response(None, status_code=HTTP_303_SEE_OTHER, headers=headers, cookies=cookies or [])


def session_cookie(visit: Visit, token: str) -> Cookie:
    """The cookie that keeps a browser signed in; without a `token` it takes it away."""
    age_s = int(SESSION_VALID.total_seconds()) if token else 0
    return cookie(visit, SESSION_COOKIE, token, max_age_s=age_s)


def cookie(visit: Visit, name: str, value: str, *, max_age_s: int | None = None) -> Cookie:
    """A cookie that scripts cannot read and that forms of other sites do not send."""
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=visit.rooms.config.web.url.startswith("https://"),
    )


def clock() -> datetime:
    """The time, for everything that happens in a request."""
    return datetime.now(UTC)


def _html(html: str, status: int, headers: dict[str, str]) -> Response[str]:
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers)
