"""Writing a clip: a plain form with the tables beside it and the result beneath."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from turnout.clips.clip import Clip
from turnout.clips.parameters import declared, head_of
from turnout.clips.tidy import tidied
from turnout.errors import NotAllowed, TurnoutError
from turnout.warehouse import Table, Warehouse
from turnout.web.address import clip_address
from turnout.web.asked import Asked, complete, read_asked
from turnout.web.catalog import started_sql
from turnout.web.clips import find_clip
from turnout.web.faces import Face, face
from turnout.web.notices import forget_broken
from turnout.web.responses import status_of
from turnout.web.visit import Visit, go, signed_in, while_there

DRAFT_ROWS = 200
OWN_SCHEMA = "_turnout"
VERSION = re.compile(r"[0-9]{1,9}")
# What a field with a parameter's value is called in the form: this, and the parameter's name.
VALUE = "value:"
FIRST_SQL = "SELECT 'Hello' AS greeting, 42 AS answer"


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form. `version` is the one it was begun from, 0 for a new clip.

    `selection` is the part of the SQL to run, empty for all of it.
    """

    title: str
    description: str
    sql: str
    version: int
    selection: str = ""

    @property
    def runs(self) -> str:
        """The SQL to run: a part of it still has its parameters declared above."""
        return head_of(self.sql)[0] + self.selection if self.selection else self.sql


@get("/clips/new", guards=[signed_in])
async def new_clip(request: Visit) -> Response[str]:
    """An empty form, with a query that works to begin from: about a table, when one is named."""
    tables = await asyncio.to_thread(_tables, request.rooms.warehouse)
    about, by = (request.query_params.get(name, "") for name in ("about", "by"))
    sql = await started_sql(request, about, by) if about else None
    draft = Draft("", "", sql or example_sql(tables), 0)
    return _form(request, None, draft, tables)


@post("/clips/new", guards=[signed_in], status_code=HTTP_200_OK)
async def create_clip(request: Visit) -> Response[Any]:
    """Run what is written, or save it as a new clip."""
    return await _sent(request, None)


@get("/clips/{address:str}/edit", guards=[signed_in])
async def edit_clip(request: Visit, address: FromPath[str]) -> Response[str]:
    """The form with a clip in it."""
    clip = await asyncio.to_thread(find_clip, request, address)
    tables = await asyncio.to_thread(_tables, request.rooms.warehouse)
    draft = Draft(clip.title, clip.description, clip.sql, clip.version)
    return _form(request, clip, draft, tables)


@post("/clips/{address:str}/edit", guards=[signed_in], status_code=HTTP_200_OK)
async def save_clip(request: Visit, address: FromPath[str]) -> Response[Any]:
    """Run what is written, or save it as the clip's next version."""
    clip = await asyncio.to_thread(find_clip, request, address)
    return await _sent(request, clip)


@get("/clips/schema.json", guards=[signed_in])
async def show_schema(request: Visit) -> Response[Any]:
    """Every table's columns with their types, for completion: schema → table → column → type."""
    tables = await asyncio.to_thread(_tables, request.rooms.warehouse)
    found: dict[str, dict[str, dict[str, str]]] = {}
    for table in tables:
        columns = {column.name: str(column.type) for column in table.columns}
        found.setdefault(table.schema, {})[table.name] = columns
    return Response(found, media_type="application/json", headers={"Cache-Control": "no-store"})


@post("/clips/{address:str}/archive", guards=[signed_in])
async def archive_clip(request: Visit, address: FromPath[str]) -> Response[None]:
    """Put a clip away: its address and its links show nothing any more."""
    clip = await asyncio.to_thread(find_clip, request, address)
    await asyncio.to_thread(request.rooms.clips.archive, clip.id, now=request.now)
    # Nobody can mend it any more, so nobody need hear that it is broken.
    await asyncio.to_thread(forget_broken, request.rooms.state, clip)
    return go("/clips")


def example_sql(tables: list[Table]) -> str:
    """A query over tables that are really there, simple enough to change."""
    names = {(table.schema, table.name): table for table in tables}
    tracks = names.get(("analytics", "tracks"))
    if tracks is not None:
        event = "event_text" if tracks.column("event_text") else "event"
        return (
            f"SELECT {event} AS event, count(*) AS times, count(DISTINCT user_id) AS people\n"
            "FROM analytics.tracks\nGROUP BY 1\nORDER BY times DESC\nLIMIT 20"
        )
    own = [table for table in tables if table.schema != OWN_SCHEMA]
    if own:
        return f"SELECT *\nFROM {own[0].schema}.{own[0].name}\nLIMIT 20"
    return FIRST_SQL


async def _sent(visit: Visit, clip: Clip | None) -> Response[Any]:
    """A sent form: saved and gone to the clip, or shown again with what came of it."""
    draft, action = _read_form(await visit.fields())
    tables = await asyncio.to_thread(_tables, visit.rooms.warehouse)
    asked = None
    try:
        if action == "save":
            return go(clip_address(await asyncio.to_thread(_save, visit, clip, draft)))
        if action == "format":
            return _form(visit, clip, replace(draft, sql=tidied(draft.sql)), tables)
        asked = await read_asked(visit, draft.runs, await visit.texts(VALUE), {})
        answer = await while_there(visit, visit.rooms.answers.draft(complete(asked)))
    except TurnoutError as error:
        return _form(visit, clip, draft, tables, asked=asked, problem=error)
    shown = await face(answer, draft.title, limit=DRAFT_ROWS)
    return _form(visit, clip, draft, tables, asked=asked, shown=shown)


def _save(visit: Visit, clip: Clip | None, draft: Draft) -> Clip:
    clips, author = visit.rooms.clips, visit.user.name
    declared(draft.sql)  # what nobody could choose is not kept
    if clip is None:
        return clips.create(
            draft.title, draft.sql, description=draft.description, author=author, now=visit.now
        )
    if draft.version != clip.version:
        raise NotAllowed(
            f"{clip.author} saved a newer version of this clip while you were writing.",
            hint="Save once more to replace it, or reload the page to see it.",
        )
    return clips.save(
        clip.id,
        title=draft.title,
        sql=draft.sql,
        description=draft.description,
        author=author,
        now=visit.now,
    )


def _read_form(fields: dict[str, str]) -> tuple[Draft, str]:
    version = fields.get("version", "")
    draft = Draft(
        title=" ".join(fields.get("title", "").split()),
        description=fields.get("description", "").strip(),
        # Browsers send lines with CR LF.
        sql=fields.get("sql", "").replace("\r\n", "\n").strip(),
        version=int(version) if VERSION.fullmatch(version) else 0,
        selection=fields.get("selection", "").replace("\r\n", "\n").strip(),
    )
    return draft, fields.get("action", "")


def _form(  # noqa: PLR0913  the parts of one page
    visit: Visit,
    clip: Clip | None,
    draft: Draft,
    tables: list[Table],
    *,
    asked: Asked | None = None,
    shown: Face | None = None,
    problem: TurnoutError | None = None,
) -> Response[str]:
    return visit.page(
        "edit.html",
        status=status_of(problem) if problem else HTTP_200_OK,
        clip=clip,
        draft=draft,
        # After a conflict the form is based on the newest version: saving again is a decision.
        version=clip.version if clip else 0,
        schemas=_by_schema(tables),
        selection=draft.selection,
        asked=asked,
        face=shown,
        problem=problem,
    )


def _tables(warehouse: Warehouse) -> list[Table]:
    return warehouse.tables()


def _by_schema(tables: list[Table]) -> dict[str, list[Table]]:
    """Tables under their schemas, our own bookkeeping last."""
    found: dict[str, list[Table]] = {}
    for table in sorted(tables, key=lambda t: (t.schema == OWN_SCHEMA, t.schema, t.name)):
        found.setdefault(table.schema, []).append(table)
    return found
