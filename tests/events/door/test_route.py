from __future__ import annotations

import pytest

from turnout.events.door import route
from turnout.events.door.event import TYPES
from turnout.events.door.route import Kind

PREFIXES = ["", "/x", "/deep/er", "/v1", "/"]
SLASHES = ["", "/", "//"]


@pytest.mark.parametrize("slash", SLASHES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_route_stands_behind_any_prefix_with_or_without_a_slash(
    prefix: str, slash: str
) -> None:
    for name in ("batch", "import", "b"):
        assert route.find(f"{prefix}/v1/{name}{slash}").kind is Kind.BATCH
    for type_ in TYPES:
        for name in (type_, type_[0]):
            found = route.find(f"{prefix}/v1/{name}{slash}")
            assert (found.kind, found.name) == (Kind.SINGLE, type_)
        found = route.find(f"{prefix}/v1/pixel/{type_}{slash}")
        assert (found.kind, found.name) == (Kind.PIXEL, type_)
    assert route.find(f"{prefix}/v1/m{slash}").kind is Kind.SDK_METRICS
    found = route.find(f"{prefix}/v1/projects/alice-key/settings{slash}")
    assert (found.kind, found.name, found.prefix) == (Kind.SETTINGS, "alice-key", prefix)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_browser_library_stands_behind_any_prefix(prefix: str) -> None:
    for file in ("analytics.min.js", "platform/analytics.min.js"):
        found = route.find(f"{prefix}/analytics.js/v1/alice-key/{file}")
        assert (found.kind, found.name) == (Kind.LIBRARY, "alice-key")
    found = route.find(f"{prefix}/analytics-next/bundles/ajs.bundle.1.js")
    assert (found.kind, found.name) == (Kind.CHUNK, "ajs.bundle.1.js")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/",
        "/v2/batch",
        "/v1/Batch",
        "/v1/batches",
        "/v1/pixel",
        "/v1/projects/alice-key",
        "/v1/projects/alice-key/other",
        "/next-integrations/integrations/vendor/commons.js",
        "/analytics.js/v1/alice-key/analytics.classic.js",
        "/x/healthz",
        "batch",
    ],
)
def test_nothing_else_is_a_route(path: str) -> None:
    assert route.find(path).kind is Kind.NOTHING


def test_strangers_cannot_make_it_remember_without_end() -> None:
    for number in range(route.REMEMBERED_MAX + 100):
        assert route.find(f"/{number}/v1/batch").kind is Kind.BATCH
    assert len(route._remembered) <= route.REMEMBERED_MAX
