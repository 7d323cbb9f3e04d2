"""*Catalog*: every event and property that is being sent, and where a clip can begin."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from litestar import Response, get
from litestar.params import FromPath

from turnout.errors import BadRequest, NotFound
from turnout.events.overview.advice import for_discarded
from turnout.events.overview.catalog import DAYS, Contents, Kind, People
from turnout.events.overview.properties import CONTEXT, Description, own_columns
from turnout.warehouse import Table
from turnout.web.spark import day_chart, spark
from turnout.web.starter import by_day, by_property, some_rows
from turnout.web.view import read_number
from turnout.web.visit import Visit, signed_in

PAGE_KINDS = 100
QUERY_CHARS_MAX = 100
# Properties that fit a search, shown beside each kind.
FOUND_MAX = 6
SORTS = {
    "volume": lambda kind: (-kind.days_total, -kind.count, kind.key),
    "name": lambda kind: (kind.name.casefold(), kind.schema),
    "newest": lambda kind: (-kind.last_at.timestamp(), kind.key),
    "discovered": lambda kind: (-kind.first_at.timestamp(), kind.key),
}
KNOWN = frozenset({"q", "sort", "_offset"})


@dataclass(frozen=True, slots=True)
class Line:
    """One kind in the list, with its properties that fit what was searched for."""

    kind: Kind
    properties: Sequence[str]
    properties_count: int


@get("/catalog", guards=[signed_in])
async def show_catalog(request: Visit) -> Response[str]:
    """Every event and kind of call, searched and sorted by the address."""
    query = request.query_params
    unknown = sorted(set(query) - KNOWN)
    if unknown:
        raise BadRequest(
            f"Nothing here is called '{unknown[0][:60]}'.",
            hint=f"After the question mark this address knows: {', '.join(sorted(KNOWN))}.",
        )
    searched = query.get("q", "").strip()[:QUERY_CHARS_MAX]
    sort = query.get("sort", "volume")
    if sort not in SORTS:
        raise BadRequest(f"'sort' must be one of {', '.join(SORTS)}.")
    offset = read_number("_offset", query.get("_offset", "0"))
    contents = await _contents(request)
    lines = _found(contents, searched, sort) if contents else []
    return request.page(
        "catalog.html",
        contents=contents,
        lines=lines[offset : offset + PAGE_KINDS],
        lines_count=len(lines),
        people=_people(contents, searched) if contents else [],
        offset=offset,
        limit=PAGE_KINDS,
        searched=searched,
        sort=sort,
        sorts=list(SORTS),
        listing=lambda **changes: _listing({"q": searched, "sort": sort} | changes),
        place=kind_address,
        spark=spark,
        is_preparing=contents is None,
    )


@get("/catalog/{schema:str}/{name:str}", guards=[signed_in])
async def show_kind(request: Visit, schema: FromPath[str], name: FromPath[str]) -> Response[str]:
    """One event or kind of call, or the people or accounts: its properties and its days."""
    contents = await _contents(request)
    if contents is None:
        return _kind_page(request, schema, name, None, None, None)
    kind = contents.find(schema, name)
    people = next(
        (p for p in contents.people if (p.table.schema, p.table.name) == (schema, name)), None
    )
    table = kind.table if kind else people.table if people else None
    if kind is None and people is None:
        raise NotFound(
            f"No event or call is kept as {schema[:100]}.{name[:100]}.",
            hint="Look for it in the catalog.",
        )
    description = None
    if table is not None:
        days, today = (kind.days if kind else ()), request.now.date()
        description = await request.readings.ask(
            f"properties {schema}.{name}",
            lambda: request.readings.properties.describe(table, days, today=today),
        )
    return _kind_page(request, schema, name, kind, people, description)


def kind_address(schema: str, name: str) -> str:
    """Where a kind has its page."""
    return f"/catalog/{quote(schema, safe='')}/{quote(name, safe='')}"


def clip_start(table: str, **values: str) -> str:
    """The editor with SQL about `table` in it."""
    return f"/clips/new?{urlencode({'about': table, **values})}"


async def started_sql(visit: Visit, about: str, by: str) -> str | None:
    """The SQL that a clip about the table `about` begins with; None when there is no such table."""
    contents = await asyncio.to_thread(visit.readings.catalog.read, today=visit.now.date())
    schema, _, name = about.partition(".")
    kind = contents.find(schema, name)
    table = contents.tables.get((schema, name))
    dialect = visit.rooms.warehouse.dialect
    if table is not None and table.column(by) is not None:
        return by_property(table, by, dialect)
    if kind is not None:
        return by_day(kind, dialect)
    return some_rows(table, dialect) if table is not None else None


async def _contents(visit: Visit) -> Contents | None:
    today = visit.now.date()
    return await visit.readings.ask("catalog", lambda: visit.readings.catalog.read(today=today))


def _kind_page(  # noqa: PLR0913, PLR0917 - the parts of one page
    visit: Visit,
    schema: str,
    name: str,
    kind: Kind | None,
    people: People | None,
    description: Description | None,
) -> Response[str]:
    dialect = visit.rooms.warehouse.dialect
    has_table = bool(people or (kind and kind.table))
    return visit.page(
        "kind.html",
        schema=schema,
        name=name,
        kind=kind,
        people=people,
        description=description,
        days=DAYS,
        chart=day_chart(kind.days, visit.now.date()) if kind else None,
        sql=by_day(kind, dialect) if kind else some_rows(people.table, dialect) if people else "",
        start=lambda by="": clip_start(f"{schema}.{name}", **({"by": by} if by else {})),
        explained=for_discarded,
        live=f"/live?{urlencode({'event': kind.name})}" if kind else "",
        is_preparing=(kind is None and people is None) or (has_table and description is None),
    )


def _found(contents: Contents, searched: str, sort: str) -> list[Line]:
    """The kinds that fit by their own name or by a property's, sorted."""
    wanted = searched.casefold()
    lines = []
    for kind in sorted(contents.kinds, key=SORTS[sort]):
        names = [column.name for column in own_columns(kind.table)] if kind.table else []
        fitting = [name for name in names if wanted in name] if wanted else []
        if not wanted or fitting or wanted in f"{kind.name}\n{kind.schema}.{kind.key}".casefold():
            own = sum(not name.startswith(CONTEXT) for name in names)
            lines.append(Line(kind, fitting[:FOUND_MAX], own))
    return lines


def _people(contents: Contents, searched: str) -> list[tuple[People, list[str]]]:
    wanted = searched.casefold()
    found = []
    for people in contents.people:
        fitting = [name for name in _names(people.table) if wanted and wanted in name]
        if not wanted or fitting or wanted in f"{people.table.schema}.{people.table.name}":
            found.append((people, fitting[:FOUND_MAX]))
    return found


def _names(table: Table) -> list[str]:
    return [column.name for column in own_columns(table)]


def _listing(values: dict[str, Any]) -> str:
    given = {name: value for name, value in values.items() if value and value != "volume"}
    return f"/catalog?{urlencode(given)}" if given else "/catalog"
