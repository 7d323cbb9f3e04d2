"""What is asked of the door with GET: how it is, its numbers, SDK settings, the browser library."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from turnout import config, meters
from turnout.events.door import address, answer
from turnout.events.door import settings as sdk
from turnout.events.door.admission import Register
from turnout.events.door.answer import Answer
from turnout.events.door.browser import ABSENT, NO_SUCH_FILE, Browser
from turnout.events.door.request import Request
from turnout.events.door.route import Kind, Route

UNKNOWN_KEY = answer.refusal(404, "This write key is not known here.")


class Questions:
    """Answers from memory. `register` is None while the keys are not known yet."""

    def __init__(
        self, settings: config.Collector, metrics: config.Metrics, browser_folder: Path
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._browser = Browser(browser_folder)

    def answer(self, found: Route, request: Request, register: Register | None) -> Answer:
        """To whatever `found` is about."""
        if found.kind is Kind.PIXEL:
            return answer.PIXEL
        if found.kind is Kind.HEALTH:
            return answer.HEALTHY
        if found.kind is Kind.METRICS:
            return self._meters(request)
        if found.kind is Kind.SETTINGS:
            return self._sdk_settings(found, request, register)
        if found.kind in (Kind.LIBRARY, Kind.CHUNK):
            return self._script(found, request, register)
        return answer.NOT_HERE

    def _meters(self, request: Request) -> Answer:
        is_forwarded = any(request.header(name) is not None for name in meters.FORWARDED)
        if not meters.may_read(
            peer=str(address.parse(request.scope.client)),
            is_forwarded=is_forwarded,
            authorization=request.header("authorization") or "",
            token=self._metrics.token,
        ):
            return answer.refusal(403, meters.REFUSAL, is_private=True)
        text, content_type = meters.exposition()
        return Answer(200, text, [("content-type", content_type)], is_private=True)

    def _sdk_settings(self, found: Route, request: Request, register: Register | None) -> Answer:
        """Steers an SDK to where it asked, unless a public address is configured."""
        if register is None:
            return answer.STARTING
        if found.name not in register:
            return UNKNOWN_KEY
        host = request.host()
        if self._settings.public_url or not host or not sdk.HOST.fullmatch(host):
            public = urlsplit(self._settings.url)
            return sdk.settings(found.name, f"{public.netloc}{public.path}", public.scheme)
        return sdk.settings(found.name, f"{host}{found.prefix}", request.scheme())

    def _script(self, found: Route, request: Request, register: Register | None) -> Answer:
        """A file of the library; a wrong key is an error that shows, not silence."""
        if self._browser.library is None:
            return ABSENT
        script = self._browser.library
        if found.kind is Kind.LIBRARY:
            if register is not None and found.name not in register:
                return UNKNOWN_KEY
        elif found.name in self._browser.chunks:
            script = self._browser.chunks[found.name]
        else:
            return NO_SUCH_FILE
        accepted = request.header("accept-encoding") or ""
        return script.answer(accepted, request.header("if-none-match") or "")
