"""The door for events: what Segment libraries are pointed at, where every microsecond counts.

It reads a body under limits, finds the write key, judges each event and answers once the journal
has synced them. It imports no warehouse: it accepts while everything else is down. It speaks RSGI,
the server's own protocol: a fifth faster than ASGI for answers this small.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from granian._granian import RSGIProtocolClosed, RSGIProtocolError

from turnout import config, meters
from turnout.errors import JournalUnavailable, TurnoutError, UnknownKey
from turnout.events.door import address, answer, message, pixel, route
from turnout.events.door.admission import Admission, Register
from turnout.events.door.answer import Answer
from turnout.events.door.browser import FOLDER
from turnout.events.door.count import Count
from turnout.events.door.line import Arrival, Clock
from turnout.events.door.message import Index, Judged, Limits
from turnout.events.door.patience import Late, Patience
from turnout.events.door.questions import Questions
from turnout.events.door.request import Exchange, Gone, Request, Scope
from turnout.events.door.route import Kind, Route
from turnout.events.door.strangers import Strangers

if TYPE_CHECKING:
    from turnout.access.keys import WriteKey
    from turnout.events.journal.journal import Journal

# In strict mode the first problems are told; a batch has no end of them.
PROBLEMS_SAID_MAX = 100

POST_ONLY = answer.refusal(405, "Send events with POST.", ("allow", "POST, OPTIONS"))
GET_ONLY = answer.refusal(405, "Ask with GET.", ("allow", "GET, HEAD, OPTIONS"))
LATE = answer.refusal(
    503, "The request did not come in time; send the events again.", ("retry-after", "1")
).closing()
BROKEN = answer.refusal(500, "Turnout failed inside; send the events again.")

log = structlog.get_logger()


class Collector:
    """Accepts events over HTTP.

    `keys` is set from outside, again whenever they change; `strangers` ask for that.
    """

    def __init__(
        self,
        journal: Journal,
        settings: config.Collector,
        seen: Index | None = None,
        *,
        metrics: config.Metrics | None = None,
        browser_folder: Path = FOLDER,
    ) -> None:
        """`seen` is what the door remembers of earlier events; without it the loader decides."""
        self._journal = journal
        self._seen = seen
        self._body_bytes_max = settings.body_bytes_max
        self._limits = Limits(settings.event_bytes_max, settings.batch_events_max)
        self._trusted = address.networks(settings.trusted_proxies.split())
        self._questions = Questions(settings, metrics or config.Metrics(), browser_folder)
        self._keys: dict[str, WriteKey] | None = None
        self._register = Register()
        self.strangers = Strangers()
        self._patience = Patience()
        self._clock = Clock()
        self._count = Count()
        self._is_leaving = self._was_asked = False
        self._stopping = False
        self._in_flight = 0
        self._idle = asyncio.Event()

    @property
    def keys(self) -> dict[str, WriteKey] | None:
        """The active write keys by key; None while not loaded, when every request gets 503."""
        return self._keys

    @keys.setter
    def keys(self, keys: dict[str, WriteKey] | None) -> None:
        if keys != self._keys:
            self._keys = keys
            self._register.renew(keys or {})

    def uses(self, now: datetime) -> dict[str, datetime]:
        """The keys whose use is to be noted: key → when it was used."""
        return self._register.uses(now)

    async def leave(self, silence_s: float) -> None:
        """From now on end every connection with its answer; return after `silence_s` without any.

        Whoever keeps a connection opens the next one to the process that takes over.
        """
        self._is_leaving = self._was_asked = True
        while self._was_asked or self._in_flight:
            self._was_asked = False
            await asyncio.sleep(silence_s)

    async def drain(self) -> None:
        """From now on answer 503; return when all that came before is answered."""
        self._stopping = True
        self._note_idle()
        await self._idle.wait()
        self._count.flush()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """One request. Events are answered only after the journal has them."""
        request = Request(scope, exchange, self._trusted)
        self._in_flight += 1
        try:
            found = route.find(scope.path)
            if found.takes_events and scope.method == "POST":
                reply = await self._answer_events(found, request)
            else:
                reply = await self._answer(found, request)
            if request.origin is not None:
                reply = reply.for_origin(request.origin)
            if self._is_leaving:
                self._was_asked = True
                reply = reply.closing()
            exchange.response_bytes(reply.status, reply.headers, reply.body)
        except Late:
            exchange.response_bytes(LATE.status, LATE.headers, LATE.body)
        except (Gone, RSGIProtocolClosed, RSGIProtocolError):
            pass
        finally:
            self._in_flight -= 1
            self._note_idle()

    async def _answer(self, found: Route, request: Request) -> Answer:
        method = request.scope.method
        if method == "OPTIONS":
            return answer.preflight(request.header("access-control-request-headers") or "")
        await self._patience.wait(request.discard())
        if found.takes_events or found.kind is Kind.SDK_METRICS:
            return self._note_sdk_metrics() if method == "POST" else POST_ONLY
        if method not in ("GET", "HEAD"):
            return GET_ONLY if found.kind is not Kind.NOTHING else answer.NOT_HERE
        return await self._answer_question(found, request)

    async def _answer_events(self, found: Route, request: Request) -> Answer:
        try:
            try:
                reply = await self._take(found, request)
            except UnknownKey as error:
                reply = await self._take_late(self._take, found, request, error)
        except TurnoutError as error:
            await self._patience.wait(request.discard())
            reply = answer.for_error(error)
        except (Gone, RSGIProtocolClosed):
            raise
        except Exception:
            log.exception("a request failed")
            reply = BROKEN
        if reply.status != answer.OK:
            meters.REQUESTS.add(str(reply.status))
        if request.header("x-retry-count", "0") != "0":
            meters.RETRIES.add()
        return reply

    async def _take_late(
        self,
        take: Callable[[Route, Request], Awaitable[Answer]],
        found: Route,
        request: Request,
        refusal: UnknownKey,
    ) -> Answer:
        """Take the events of a key made this moment as well; raises `refusal` for all others."""
        if not await self.strangers.are_late(refusal.key):
            raise refusal
        try:
            return await take(found, request)
        except UnknownKey as error:
            self.strangers.refuse(error.key)
            raise

    async def _take(self, found: Route, request: Request) -> Answer:
        """Events into the journal; raises what `answer.for_error` turns into a status."""
        self._check_ready()
        # A stranger's body is not worth reading.
        named = self._register.named(request.header("authorization"))
        raw = request.raw
        if raw is None:
            raw = request.raw = await self._patience.wait(request.reading(self._body_bytes_max))
        if found.kind is Kind.BATCH:
            judged = self._judge_batch(request, raw, named)
        elif named is not None and await self._take_plain(request, raw, found.name, named):
            return answer.SUCCESS
        else:
            judged = self._judge_single(request, raw, found.name, named)
        await self._keep(judged)
        return _outcome(found, request, judged)

    async def _take_plain(
        self, request: Request, raw: bytes, type_: str, admission: Admission
    ) -> bool:
        """Take a single event as nearly all are in the shortest way, if it is one."""
        raw = message.on_one_line(raw)
        sender = admission.sender
        arrival = Arrival(sender, *self._clock.now())
        taken = message.take_single(raw, type_, arrival, self._limits, self._seen)
        if taken is None:
            return False
        admission.enter(request.origin)
        await self._journal.append((taken.line,), taken.fingerprints)
        self._count.add(sender.source, 1)
        return True

    def _judge_batch(self, request: Request, raw: bytes, named: Admission | None) -> Judged:
        batch = message.parse_batch(raw)
        admission = named or self._inside(request, message.key_in(batch))
        arrival = self._arrival(request, admission)
        return message.judge_batch(batch, arrival, self._limits, self._seen)

    def _judge_single(
        self, request: Request, raw: bytes, type_: str, named: Admission | None
    ) -> Judged:
        raw, event = message.parse_single(raw)
        admission = named or self._inside(request, event.write_key)
        arrival = self._arrival(request, admission)
        return message.judge_single(raw, event, type_, arrival, self._limits, index=self._seen)

    def _inside(self, request: Request, in_body: object) -> Admission:
        """Whose key the body brings, or else the query."""
        query = request.query() if request.scope.query_string else {}
        return self._register.of(in_body, query.get("writeKey"))

    def _arrival(self, request: Request, admission: Admission) -> Arrival:
        admission.enter(request.origin)
        return Arrival(admission.sender, *self._clock.now(), request)

    async def _keep(self, judged: Judged) -> None:
        lines = judged.lines
        if lines:
            await self._journal.append(lines, judged.fingerprints)
        self._count.add(judged.source, len(lines))

    async def _answer_question(self, found: Route, request: Request) -> Answer:
        if found.kind is Kind.PIXEL and request.scope.method == "GET":
            return await self._answer_pixel(found, request)
        if found.kind is Kind.READINESS:
            return self._readiness()
        if found.kind is Kind.METRICS:
            self._count.flush()
        register = self._register if self._keys is not None else None
        return self._questions.answer(found, request, register)

    async def _answer_pixel(self, found: Route, request: Request) -> Answer:
        """The image comes back whatever becomes of the event: nobody reads anything else."""
        try:
            try:
                await self._take_pixel(found, request)
            except UnknownKey as error:
                await self._take_late(self._take_pixel, found, request, error)
        except TurnoutError as error:
            meters.REQUESTS.add(str(answer.for_error(error).status))
        return answer.PIXEL

    async def _take_pixel(self, found: Route, request: Request) -> Answer:
        self._check_ready()
        raw = pixel.event_bytes(request.query())
        await self._keep(self._judge_single(request, raw, found.name, None))
        return answer.PIXEL

    def _readiness(self) -> Answer:
        """Whether events would be taken now; whoever distributes requests asks this."""
        try:
            self._check_ready()
        except JournalUnavailable as error:
            return answer.for_error(error)
        return answer.READY

    def _note_sdk_metrics(self) -> Answer:
        meters.SDK_METRICS.add()
        return answer.SUCCESS

    def _check_ready(self) -> None:
        if self._stopping:
            raise JournalUnavailable("Turnout is stopping; send the events again in a moment.")
        if self._keys is None:
            raise JournalUnavailable("Turnout is starting; send the events again in a moment.")

    def _note_idle(self) -> None:
        if self._stopping and self._in_flight == 0:
            self._idle.set()


def _outcome(found: Route, request: Request, judged: Judged) -> Answer:
    if judged.refused and request.header("x-strict-mode") == "1":
        problems = [
            {"index": index, "messageId": id_, "reason": reason}
            for index, id_, reason in judged.refused[:PROBLEMS_SAID_MAX]
        ]
        return answer.strict_refusal(problems)
    if found.kind is not Kind.BATCH:
        return answer.SUCCESS
    return answer.batch_taken(judged.accepted, judged.duplicates, len(judged.refused))
