"""*Live*: the events that arrive now, each with its fate. What is shown is all in the address."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get
from litestar.datastructures import MultiDict
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from turnout.access.keys import WriteKey
from turnout.errors import BadRequest
from turnout.events.overview.advice import for_discarded, for_rejected
from turnout.events.overview.recent import FATES, Arrival, Detail, Wanted
from turnout.events.overview.tally import Sum, Tally, tallies
from turnout.web.visit import Visit, signed_in

FILTERS = ("source", "event", "user", "fate")
# After the question mark: the filters; until when; which row is open; which event is awaited.
KNOWN = frozenset({*FILTERS, "until", "open", "in", "at", "await"})
FILTER_CHARS_MAX = 200
EARLIEST, LATEST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1971, 9000))
# An event that is awaited this long is not coming.
AWAITED_S = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What the address asks for."""

    wanted: Wanted
    # The row that is open: its table, the id of its event, and when that was received.
    place: str = ""
    id: str = ""
    at: datetime | None = None
    awaited: str = ""

    @property
    def query(self) -> str:
        """The part of an address after the question mark that asks for the same."""
        wanted = self.wanted
        values = {name: getattr(wanted, name) for name in FILTERS}
        values |= {"until": _text(wanted.until), "await": self.awaited}
        if self.at:
            values |= {"open": self.id, "in": self.place, "at": _text(self.at)}
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def is_paused(self) -> bool:
        return self.wanted.until is not None

    def is_open(self, arrival: Arrival) -> bool:
        return (arrival.place, arrival.id, arrival.received_at) == (self.place, self.id, self.at)

    def opening(self, arrival: Arrival) -> str:
        """The address that shows the same with `arrival` open, or closed when it is."""
        if self.is_open(arrival):
            return _address(replace(self, place="", id="", at=None))
        return _address(replace(self, place=arrival.place, id=arrival.id, at=arrival.received_at))

    def until(self, moment: datetime | None) -> str:
        """The address that shows the same as it was at `moment`; now without one."""
        return _address(replace(self, wanted=replace(self.wanted, until=moment)))


@dataclass(frozen=True, slots=True)
class Feed:
    """What is shown: the newest events, what is kept of the open one, and this hour's sum."""

    arrivals: list[Arrival]
    detail: Detail | None
    hour: Sum
    last_at: datetime | None


@get("/live", guards=[signed_in])
async def show_live(request: Visit) -> Response[str]:
    """The page: filters, then the rows. A script fetches the rows again while they are seen."""
    look = _read_look(request.query_params)
    feed, keys = await asyncio.gather(
        _feed(request, look), asyncio.to_thread(request.rooms.keys.list)
    )
    active = [key for key in keys if key.revoked_at is None]
    return request.page(
        "live.html",
        sources=sorted({key.source for key in keys}),
        fates=FATES,
        key=_first_key(active),
        host=request.rooms.config.collector.url,
        **_values(look, feed, request.now),
    )


@get("/live/rows", guards=[signed_in])
async def show_rows(request: Visit) -> Response[Any]:
    """The rows alone; 304 and no query at all while nothing was written."""
    look = _read_look(request.query_params)
    etag = _etag(request, look)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(None, status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    feed = await _feed(request, look)
    page = request.page("live_rows.html", **_values(look, feed, request.now))
    return Response(
        page.content, status_code=HTTP_200_OK, media_type=page.media_type, headers=headers
    )


async def _feed(visit: Visit, look: Look) -> Feed | None:
    """None while the warehouse is busy for longer than a page waits."""
    return await visit.readings.ask(f"live {look.query}", lambda: _read(visit, look))


def _read(visit: Visit, look: Look) -> Feed:
    recent = visit.readings.recent
    arrivals = recent.newest(look.wanted, now=visit.now)
    detail = recent.detail(look.place, look.id, look.at) if look.at else None
    counted = tallies(visit.rooms.warehouse, now=visit.now)
    if look.wanted.source:
        counted = {look.wanted.source: counted.get(look.wanted.source, Tally())}
    last = [tally.last_at for tally in counted.values() if tally.last_at]
    return Feed(
        arrivals,
        detail,
        sum((tally.hour for tally in counted.values()), Sum()),
        max(last, default=None),
    )


def _values(look: Look, feed: Feed | None, now: datetime) -> dict[str, Any]:
    arrivals = feed.arrivals if feed else []
    return {
        "look": look,
        "feed": feed,
        "advice": for_rejected,
        "explained": for_discarded,
        "row_id": _row_id,
        "awaited": next((each for each in arrivals if each.id == look.awaited), None),
        "is_awaiting": bool(look.awaited) and _sent_within(look.awaited, now),
        "pause_at": arrivals[0].received_at if arrivals else now,
        # One more than the oldest shown is not skipped when several came at the same moment.
        "older_at": arrivals[-1].received_at if arrivals else None,
    }


def _read_look(query: MultiDict[str]) -> Look:
    """What is asked for; `BadRequest` names what is not understood."""
    unknown = sorted(set(query) - KNOWN)
    if unknown:
        raise BadRequest(
            f"Nothing here is called '{unknown[0][:60]}'.",
            hint=f"After the question mark this address knows: {', '.join(sorted(KNOWN))}.",
        )
    values = {name: query.get(name, "").strip()[:FILTER_CHARS_MAX] for name in KNOWN}
    if values["fate"] and values["fate"] not in FATES:
        raise BadRequest(f"'fate' must be one of {', '.join(FATES)}.")
    filters = {name: values[name] for name in FILTERS}
    return Look(
        wanted=Wanted(**filters, until=_moment("until", values["until"])),
        place=values["in"],
        id=values["open"],
        at=_moment("at", values["at"]),
        awaited=values["await"],
    )


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = datetime.min.replace(tzinfo=UTC)
    if not EARLIEST <= moment <= LATEST:
        raise BadRequest(
            f"'{name}' must be a time such as 2026-11-21T09:30:00Z, not '{text[:60]}'."
        )
    return moment


def _text(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ""


def _address(look: Look) -> str:
    query = look.query
    return f"/live?{query}" if query else "/live"


def _row_id(arrival: Arrival) -> str:
    """A name for the row in its page: the same each time, whatever the event's own id is."""
    said = f"{arrival.place} {arrival.id} {arrival.received_at}"
    return "e" + hashlib.sha256(said.encode(errors="replace")).hexdigest()[:16]


def _etag(visit: Visit, look: Look) -> str:
    """The same while neither the warehouse nor the question changes, and not after a restart."""
    state = f"{visit.app.state.begun} {visit.rooms.warehouse.version} {look.query}"
    # An hour's sum begins anew with the hour, and a wait ends.
    moment = visit.now.replace(second=0, microsecond=0) if look.awaited else visit.now.date()
    hour = visit.now.hour
    text = f"{state} {moment} {hour}"
    return f'"{hashlib.sha256(text.encode(errors="replace")).hexdigest()[:24]}"'


def _sent_within(awaited: str, now: datetime) -> bool:
    """Test events carry in their id when they were sent."""
    digits = awaited.rpartition("-")[2]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 13:  # noqa: PLR2004 - ms
        return False
    sent_at = datetime.fromtimestamp(int(digits) / 1000, UTC)
    return abs(now - sent_at) < timedelta(seconds=AWAITED_S)


def _first_key(keys: list[WriteKey]) -> WriteKey | None:
    """The key to show in an example: one for a server when there is one."""
    return min(keys, key=lambda key: key.kind != "server", default=None)
