"""*Copy from a database*: its address, what is seen there, and what the owner chooses of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_400_BAD_REQUEST

from turnout.access.people import OWNER
from turnout.config import (
    Source,
    TableSelection,
    load_config,
    put_password,
    without_password,
)
from turnout.errors import (
    BadRequest,
    ConfigError,
    NotAllowed,
    NotFound,
    SourceUnavailable,
    TurnoutError,
)
from turnout.sync.facts import ServerFacts
from turnout.sync.offer.choice import SourceChoice, choose, free_schema
from turnout.sync.offer.look import look, sampled
from turnout.sync.offer.offer import Offer, find_table, label_of, make_offer
from turnout.sync.offer.parts import PARTS
from turnout.sync.offer.sentences import about_membership, about_server, because, remarks, size
from turnout.sync.offer.statements import statements
from turnout.sync.offer.writing import keep_password, write_source
from turnout.web.lookings import Looked, Lookings
from turnout.web.responses import status_of
from turnout.web.visit import Visit, go, signed_in

NAME = re.compile("[a-z][a-z0-9_]{0,62}")
URL_CHARS_MAX = 2_000
REASON_CHARS_MAX = 200
LOOK_WITHIN_S = 45.0
ROLE = "turnout"
# The answer to the form leaves before the process that gave it.
RENEW_AFTER_S = 0.5


@get("/databases/new", guards=[signed_in])
async def new_database(request: Visit) -> Response[str]:
    """The form for its address."""
    check_owner(request)
    return _address_form(request, {"name": _free_name(request), "url": "", "sample": ""})


@post("/databases/new", guards=[signed_in], status_code=HTTP_200_OK)
async def look_at_database(request: Visit) -> Response[Any]:
    """Connect and look; what was seen has a page for a while."""
    check_owner(request)
    fields = await request.fields()
    try:
        looked = await asyncio.wait_for(asyncio.to_thread(_look, request, fields), LOOK_WITHIN_S)
    except TimeoutError:
        return _address_form(
            request, fields, SourceUnavailable("The database did not answer in time.")
        )
    except TurnoutError as error:
        return _address_form(request, fields, error)
    return go(f"/databases/new/{_lookings(request).keep(looked)}")


@post("/databases/{name:str}/look", guards=[signed_in])
async def look_again(request: Visit, name: FromPath[str]) -> Response[None]:
    """Look at a database that is copied already, to choose other columns of it."""
    check_owner(request)
    try:
        looked = await asyncio.wait_for(
            asyncio.to_thread(_look_again, request, name), LOOK_WITHIN_S
        )
    except TimeoutError:
        raise SourceUnavailable("The database did not answer in time.") from None
    return go(f"/databases/new/{_lookings(request).keep(looked)}")


@get("/databases/new/{token:str}", guards=[signed_in])
async def show_offer(request: Visit, token: FromPath[str]) -> Response[str]:
    """What was seen, what is proposed of it and why."""
    check_owner(request)
    return _offer_page(request, token, _find(request, token))


@post("/databases/new/{token:str}", guards=[signed_in], status_code=HTTP_200_OK)
async def connect_database(request: Visit, token: FromPath[str]) -> Response[Any]:
    """Write what is ticked into turnout.toml, and begin to copy it."""
    check_owner(request)
    looked, fields = _find(request, token), await request.fields()
    offer = _offer(looked, fields)
    try:
        choice = _choice(request, looked, offer, fields)
        await asyncio.to_thread(_write, request.rooms.config.home, looked, choice)
    except TurnoutError as error:
        return _offer_page(request, token, looked, fields, error)
    _lookings(request).forget(token)
    begin_anew(request)
    return go(f"/databases/{looked.name}")


def check_owner(visit: Visit) -> None:
    """Only the owner decides what may leave a database. Raises `NotAllowed`."""
    if visit.user.role != OWNER:
        raise NotAllowed("Only the owner connects databases.")


def begin_anew(visit: Visit) -> None:
    """Have the app read turnout.toml again, once this request is answered."""
    renew = visit.rooms.renew
    if renew is not None:
        asyncio.get_running_loop().call_later(RENEW_AFTER_S, renew)


def tick(table: int, column: int) -> str:
    """The name of a column's tick in the form."""
    return f"column-{table}-{column}"


def _look(visit: Visit, fields: Mapping[str, str]) -> Looked:
    name, url = fields.get("name", "").strip(), fields.get("url", "").strip()[:URL_CHARS_MAX]
    _check_name(visit, name)
    if "://" not in url:
        raise BadRequest(
            "That is not the address of a database.",
            hint="Write postgresql://user@host:5432/database, or mysql:// likewise.",
        )
    bare, password = without_password(url)
    password = fields.get("password", "") or password
    source = Source(url=put_password(bare, password) if password else bare)
    with look(name, source) as looking:
        facts = looking.facts
        seen = sampled(looking, facts.tables) if fields.get("sample") else {}
    return Looked(name, bare, password, facts, seen, visit.browser, visit.now)


def _look_again(visit: Visit, name: str) -> Looked:
    source = load_config(visit.rooms.config.home).sources.get(name)
    if source is None:
        raise NotFound("There is no database at this address.")
    with look(name, source) as looking:
        facts = looking.facts
    written = {_label(facts, table): table for table in source.tables}
    selected = {label: source.tables[table].columns for label, table in written.items()}
    return Looked(name, source.url, "", facts, {}, visit.browser, visit.now, selected, written)


def _label(facts: ServerFacts, label: str) -> str:
    """As an offer names the table; one that is gone keeps its name."""
    try:
        return label_of(facts, find_table(facts, label))
    except NotFound:
        return label


def _check_name(visit: Visit, name: str) -> None:
    if not NAME.fullmatch(name) or name == "new":
        raise BadRequest(
            "A source's name has lower-case letters, digits and underscores.",
            hint="Such as 'app' or 'billing'.",
        )
    if name in load_config(visit.rooms.config.home).sources:
        raise BadRequest(f"There is a source '{name}' already.", hint="Choose another name.")


def _free_name(visit: Visit) -> str:
    taken = visit.rooms.config.sources
    names = ("app", *(f"app{number}" for number in range(2, 100)))
    return next((name for name in names if name not in taken), "")


def _offer(looked: Looked, fields: Mapping[str, str]) -> Offer:
    """As proposed, or with other tables named for the parts."""
    chosen = {part: fields[part] for part in PARTS if part in fields}
    return make_offer(
        looked.facts, chosen=chosen, also=_there(looked, looked.selected or ()), seen=looked.seen
    )


def _there(looked: Looked, labels: Iterable[str]) -> list[str]:
    """Those of the tables that the source still has."""
    known = {label_of(looked.facts, table) for table in looked.facts.tables}
    return [label for label in labels if label in known]


def _choice(visit: Visit, looked: Looked, offer: Offer, fields: Mapping[str, str]) -> SourceChoice:
    """What is ticked. Raises `BadRequest` when nothing is, or personal data without a reason."""
    ticked = {
        table.label: [
            column.name
            for place, column in enumerate(table.columns)
            if tick(number, place) in fields
        ]
        for number, table in enumerate(offer.tables)
    }
    if not any(ticked.values()):
        raise BadRequest("Nothing is ticked.", hint="Tick at least one column to copy.")
    reason = " ".join(fields.get("reason", "").split())[:REASON_CHARS_MAX]
    personal = [
        f"{table.label}.{column.name}"
        for table in offer.tables
        for column in table.columns
        if column.name in ticked[table.label] and column.personal and not column.treat
    ]
    if personal and not reason:
        raise BadRequest(
            f"{', '.join(personal)} looks personal.",
            hint="Say below why it is copied all the same, or take the tick away.",
        )
    sources = load_config(visit.rooms.config.home).sources
    known = sources.get(looked.name)
    return choose(
        offer,
        name=looked.name,
        url=looked.url,
        schema=known.schema if known else free_schema(sources, looked.name),
        columns=ticked,
        reason=reason,
    )


def _write(home: Path, looked: Looked, choice: SourceChoice) -> None:
    if looked.password:
        place = keep_password(home, looked.name, looked.password)
        choice = replace(choice, password_file=place)
    tables = tuple(replace(t, label=looked.written.get(t.label, t.label)) for t in choice.tables)
    choice = replace(choice, tables=tables)
    write_source(home, choice, replace=looked.selected is not None)


def _address_form(
    visit: Visit, fields: Mapping[str, str], problem: TurnoutError | None = None
) -> Response[str]:
    """The form, with what was typed into it except the password."""
    return visit.page(
        "connect.html",
        status=_status(problem),
        typed={
            "name": fields.get("name", ""),
            "url": without_password(fields.get("url", "")[:URL_CHARS_MAX])[0],
            "sample": fields.get("sample", ""),
        },
        problem=problem,
    )


def _offer_page(
    visit: Visit,
    token: str,
    looked: Looked,
    fields: Mapping[str, str] | None = None,
    problem: TurnoutError | None = None,
) -> Response[str]:
    """With `fields`, as it was sent; without, as proposed for the address's parts."""
    offer = _offer(looked, fields or visit.query_params)
    return visit.page(
        "offer.html",
        status=_status(problem),
        token=token,
        looked=looked,
        offer=offer,
        parts=PARTS,
        because=because,
        about_server=about_server(looked.facts),
        remarks=list(remarks(looked.facts)),
        membership=about_membership(offer.membership) if offer.membership else "",
        size=size,
        tick=tick,
        is_ticked=_ticked(offer, looked, fields),
        statements=_statements(offer, looked, fields),
        fields=fields,
        problem=problem,
        renews=visit.rooms.renew is not None,
    )


def _ticked(
    offer: Offer, looked: Looked, fields: Mapping[str, str] | None
) -> Callable[[int, int], bool]:
    """Which columns are ticked: as sent, else as they are copied already, else as proposed."""

    def is_ticked(number: int, place: int) -> bool:
        table = offer.tables[number]
        column = table.columns[place]
        if fields is not None:
            return tick(number, place) in fields
        if looked.selected is not None:
            return column.name in looked.selected.get(table.label, ())
        return table.is_selected and column.is_selected

    return is_ticked


def _statements(offer: Offer, looked: Looked, fields: Mapping[str, str] | None) -> list[str]:
    """For a role that can read what is ticked."""
    is_ticked = _ticked(offer, looked, fields)
    columns = {
        table.label: [c.name for place, c in enumerate(table.columns) if is_ticked(number, place)]
        for number, table in enumerate(offer.tables)
    }
    tables = {label: TableSelection(names) for label, names in columns.items() if names}
    source = Source(looked.url, tables=tables)
    return statements(looked.name, source, ROLE) if tables else []


def _status(problem: TurnoutError | None) -> int:
    """What the settings would not bear is, in a form, the sender's to correct."""
    if problem is None:
        return HTTP_200_OK
    return HTTP_400_BAD_REQUEST if isinstance(problem, ConfigError) else status_of(problem)


def _lookings(visit: Visit) -> Lookings:
    lookings: Lookings = visit.app.state.lookings
    return lookings


def _find(visit: Visit, token: str) -> Looked:
    return _lookings(visit).find(token, visit.browser, visit.now)
