"""Acme's web shop: pages on an origin of their own that load a library and make calls with it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.sdk.install import CLIENTS

LIBRARY = "/analytics.js/v1/{key}/analytics.min.js"
# The snippet's own way: calls wait in a list until the library is there.
STANDALONE = """<!doctype html><title>Acme</title><script>
window.analytics = [];
for (const call of ["alias", "identify", "group", "track", "page", "screen", "load"])
  analytics[call] = (...values) => analytics.push([call, ...values]);
Object.assign(analytics, {given});
</script><script async src="{source}"></script>"""
# The package as a bundler would build it in.
PACKAGED = """<!doctype html><title>Acme</title><script src="/segment.js"></script><script>
window.analytics = AnalyticsNext.AnalyticsBrowser.load({given}, {options});
</script>"""
RUDDERSTACK = """<!doctype html><title>Acme</title><script src="/rudderstack.js"></script><script>
window.analytics = new rudderanalytics.RudderAnalytics();
analytics.load("{key}", "{url}", {{configUrl: location.origin, plugins: [], logLevel: "ERROR"}});
</script>"""
# What RudderStack's library asks RudderStack's own service for.
RUDDERSTACK_SOURCE = {
    "id": "acme",
    "name": "Acme",
    "workspaceId": "acme",
    "enabled": True,
    "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
    "connections": [],
    "destinations": [],
}
PACKAGES = CLIENTS / "node_modules"
FILES = {
    "/segment.js": PACKAGES / "@segment/analytics-next/dist/umd/index.js",
    "/rudderstack.js": PACKAGES / "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js",
}


class Shop:
    """Serves the pages put into `pages` by path, at `http://localhost:<port>`."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._visitor())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        """Another host than the collector's, and another port."""
        return f"http://localhost:{self._server.server_port}"

    def standalone(
        self, path: str, url: str, key: str, options: dict[str, Any] | None = None, **given: Any
    ) -> str:
        """The address of a page with the script that the collector at `url` serves."""
        given = {"_writeKey": key, "_loadOptions": options or {}} | given
        source = url + LIBRARY.format(key=key)
        return self._put(path, STANDALONE.format(given=json.dumps(given), source=source))

    def packaged(self, path: str, url: str, key: str, options: dict[str, Any] | None = None) -> str:
        """The address of a page that has the library from npm built in."""
        given = json.dumps({"writeKey": key, "cdnURL": url})
        return self._put(path, PACKAGED.format(given=given, options=json.dumps(options or {})))

    def rudderstack(self, path: str, url: str, key: str) -> str:
        return self._put(path, RUDDERSTACK.format(url=url, key=key))

    def html(self, path: str, html: str) -> str:
        return self._put(path, html)

    def _put(self, path: str, html: str) -> str:
        self.pages[path] = html
        return self.url + path

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _visitor(self) -> type[BaseHTTPRequestHandler]:
        shop = self

        class Visitor(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, content = shop.content(urlsplit(self.path).path)
                self.send_response(200 if content else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- theirs
                """Say nothing."""

        return Visitor

    def content(self, path: str) -> tuple[str, bytes]:
        """(content type, content); no content when there is nothing at `path`."""
        if path in FILES:
            return "text/javascript", FILES[path].read_bytes()
        if path == "/sourceConfig/":
            return "application/json", json.dumps({"source": RUDDERSTACK_SOURCE}).encode()
        return "text/html; charset=utf-8", self.pages.get(path, "").encode()
