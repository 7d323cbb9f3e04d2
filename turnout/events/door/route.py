"""Which path is for what.

Every route is known with and without a slash at its end, and behind any prefix: SDKs are pointed
at `app.example.com/x/v1` as well as at a host of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from turnout.events.door.event import TYPES

# Prefixes differ from site to site; as many paths as these are remembered, and no longer ones.
REMEMBERED_MAX, REMEMBERED_CHARS_MAX = 1_000, 200


class Kind(Enum):
    """What a path is for."""

    BATCH = "many events"
    SINGLE = "one event"
    SDK_METRICS = "what SDKs count about themselves"
    PIXEL = "one event by an image"
    SETTINGS = "what SDKs ask before they start"
    LIBRARY = "the browser library"
    CHUNK = "a part of the browser library"
    HEALTH = "whether the process runs"
    READINESS = "whether it takes events"
    METRICS = "its numbers, for Prometheus"
    NOTHING = "nothing"

    # Asked for on every request; an Enum's own hash is written in Python.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the event's type, the write key or the file; `prefix` stands before all of it."""

    kind: Kind
    name: str = ""
    prefix: str = ""

    @property
    def takes_events(self) -> bool:
        """Whether it is one that events are posted to."""
        return self.kind is Kind.BATCH or self.kind is Kind.SINGLE


NOTHING = Route(Kind.NOTHING)
ALONE = {
    "/healthz": Route(Kind.HEALTH),
    "/readyz": Route(Kind.READINESS),
    "/metrics": Route(Kind.METRICS),
}
EVENTS = {
    "batch": Route(Kind.BATCH),
    "import": Route(Kind.BATCH),
    "b": Route(Kind.BATCH),
    "m": Route(Kind.SDK_METRICS),
    **{type_: Route(Kind.SINGLE, type_) for type_ in TYPES},
    **{type_[0]: Route(Kind.SINGLE, type_) for type_ in TYPES},
    **{f"pixel/{type_}": Route(Kind.PIXEL, type_) for type_ in TYPES},
}

_remembered: dict[str, Route] = {f"/v1/{name}": route for name, route in EVENTS.items()}


def find(path: str) -> Route:
    """The route of `path`; one of kind NOTHING when there is none."""
    route = _remembered.get(path)
    if route is None:
        route = _find(path.rstrip("/"))
        has_room = len(_remembered) < REMEMBERED_MAX and len(path) <= REMEMBERED_CHARS_MAX
        if route.takes_events and has_room:
            _remembered[path] = route
    return route


def _find(path: str) -> Route:
    if alone := ALONE.get(path):
        return alone
    if "/analytics.js/v1/" in path:
        return _library(path)
    prefix, found, file = path.rpartition("/analytics-next/bundles/")
    if found:
        return Route(Kind.CHUNK, file, prefix)
    prefix, found, rest = path.rpartition("/v1/projects/")
    if found:
        key, _, settings = rest.partition("/")
        return Route(Kind.SETTINGS, key, prefix) if settings == "settings" else NOTHING
    _, found, name = path.rpartition("/v1/")
    return EVENTS.get(name, NOTHING) if found else NOTHING


def _library(path: str) -> Route:
    """Old snippets have one step more in the path."""
    prefix, _, rest = path.rpartition("/analytics.js/v1/")
    key, _, file = rest.partition("/")
    known = ("analytics.min.js", "platform/analytics.min.js")
    return Route(Kind.LIBRARY, key, prefix) if file in known else NOTHING
