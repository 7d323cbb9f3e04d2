"""Signing in: by a one-time link from the console, or by name and password; and signing out."""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from turnout.access.people import PASSWORD_CHARS_MIN, Person
from turnout.access.token import new_token
from turnout.errors import BadRequest, NotAllowed, TurnoutError
from turnout.web import form_token
from turnout.web.address import local_path
from turnout.web.attempts import Attempts
from turnout.web.responses import status_of
from turnout.web.visit import SESSION_COOKIE, VISIT_COOKIE, Visit, cookie, go, session_cookie


@get("/sign-in")
async def show_sign_in(request: Visit) -> Response[str]:
    """The form for name and password; before there is an owner, where to find the first link."""
    return await _form(request, next_path=local_path(request.query_params.get("next")))


@post("/sign-in", status_code=HTTP_200_OK)
async def sign_in(request: Visit) -> Response[str] | Response[None]:
    """Open a session, or say that name and password do not fit."""
    fields = await request.fields()
    name, next_path = fields.get("name", ""), local_path(fields.get("next"))
    attempts: Attempts = request.app.state.attempts
    places = _places(request, name)
    for place in places:
        attempts.check(place, now=request.now)
    try:
        person = await asyncio.to_thread(
            request.rooms.people.sign_in, name, fields.get("password", "")
        )
    except NotAllowed as error:
        for place in places:
            attempts.fail(place, now=request.now)
        return await _form(request, next_path=next_path, name=name, problem=error)
    return await _enter(request, person, next_path)


@post("/sign-out")
async def sign_out(request: Visit) -> Response[None]:
    """Close this browser's session."""
    token = request.cookies.get(SESSION_COOKIE, "")
    await asyncio.to_thread(request.rooms.people.close_session, token)
    return go("/sign-in", cookies=[session_cookie(request, "")])


@get("/welcome/{token:str}")
async def show_welcome(request: Visit, token: FromPath[str]) -> Response[str] | Response[None]:
    """Open a one-time link: it signs its person in, or offers to become the owner."""
    people = request.rooms.people
    invitation = await asyncio.to_thread(people.invitation, token, now=request.now)
    if invitation.person is None:
        return _claim_form(request)
    person = await asyncio.to_thread(people.welcome, token, now=request.now)
    return await _enter(request, person, "/")


@post("/welcome/{token:str}", status_code=HTTP_200_OK)
async def claim(request: Visit, token: FromPath[str]) -> Response[str] | Response[None]:
    """Make the owner's account and sign it in."""
    fields = await request.fields()
    name = fields.get("name", "")
    try:
        person = await asyncio.to_thread(
            request.rooms.people.claim, token, name, fields.get("password", ""), now=request.now
        )
    except BadRequest as error:
        return _claim_form(request, name=name, problem=error)
    return await _enter(request, person, "/")


async def _form(
    visit: Visit, *, next_path: str, name: str = "", problem: TurnoutError | None = None
) -> Response[str]:
    owner = await asyncio.to_thread(visit.rooms.people.owner)
    values = {"has_owner": owner is not None, "next_path": next_path, "name": name}
    return _shown_before_sign_in(visit, "sign_in.html", problem, values)


def _claim_form(
    visit: Visit, *, name: str = "", problem: TurnoutError | None = None
) -> Response[str]:
    values = {"name": name, "password_chars_min": PASSWORD_CHARS_MIN}
    return _shown_before_sign_in(visit, "claim.html", problem, values)


def _shown_before_sign_in(
    visit: Visit, template: str, problem: TurnoutError | None, values: dict[str, object]
) -> Response[str]:
    """A form for a browser that may have no cookie yet: it is given one to send back."""
    browser = visit.browser or new_token()
    token = form_token.make(visit.app.state.secret, browser)
    status = status_of(problem) if problem else HTTP_200_OK
    response = visit.page(template, status=status, form_token=token, problem=problem, **values)
    if not visit.browser:
        response.set_cookie(cookie(visit, VISIT_COOKIE, browser))
    return response


async def _enter(visit: Visit, person: Person, path: str) -> Response[None]:
    """A new session, whatever cookie came with the request."""
    token = await asyncio.to_thread(visit.rooms.people.open_session, person, now=visit.now)
    return go(path, cookies=[session_cookie(visit, token)])


def _places(visit: Visit, name: str) -> tuple[str, str]:
    """Guesses are counted by the name they try and by where they come from."""
    return f"name {name[:80]}", f"from {visit.client.host if visit.client else ''}"
