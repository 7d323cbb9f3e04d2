"""What every response carries, errors included; and that no error shows its inside."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import httpx
import pytest
import sqlalchemy as sa

from tests.web.installation import PASSWORD, Installation
from turnout.access.people import OWNER
from turnout.clips.clip import Clip
from turnout.web.address import clip_address
from turnout.web.headers import PAGE_POLICY
from turnout.web.site import ROUTES

VOID = {"address:str": "nothing1", "token:str": "nothing", "link_id:int": "1", "name:str": "a.css"}
READS = sorted(path for route in ROUTES if "GET" in route.http_methods for path in route.paths)


@pytest.fixture(scope="module")
def clip(site: Installation) -> Clip:
    return site.clip("Squares", "SELECT i AS n, i * i AS square FROM range(9) t(i)", pinned=True)


@pytest.fixture(scope="module")
def places(clip: Clip, site: Installation) -> dict[str, str]:
    """For each route that reads, an address of it where something is."""
    name = clip_address(clip).rpartition("/")[2]
    token = site.link(clip, shows_sql=True)
    holes = {"{link_id:int}": "1", "{name:str}": "turnout.css"}
    holes["{token:str}"] = site.people.invite(None, now=site.clock())
    found = {}
    key = site.keys.create("headers")
    for path in READS:
        address = name if path.startswith("/clips/") else token
        if path.startswith("/sources/"):
            address = key.source
        filled = path.replace("{address:str}", address)
        if path.startswith("/catalog/"):
            filled = "/catalog/analytics/identifies"
        for hole, value in holes.items():
            filled = filled.replace(hole, value)
        found[path] = filled
    return found


class Inline(HTMLParser):
    """Collects what a strict policy would not let run, and where a page's parts come from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "style" or (tag == "script" and not known.get("src")):
            self.found.append(tag)
        self.found += [name for name in known if name == "style" or name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            value = known.get(name) or "/"
            if not value.startswith(("/", "#")) or value.startswith("//"):
                self.found.append(value)


def test_every_route_that_reads_is_known(places: dict[str, str]) -> None:
    assert len(places) == 32


@pytest.mark.parametrize("path", READS)
def test_every_response_carries_the_strict_headers(
    path: str, places: dict[str, str], alice: httpx.Client, stranger: httpx.Client
) -> None:
    empty = path
    for hole, value in VOID.items():
        empty = empty.replace(f"{{{hole}}}", value)
    for answer in (
        alice.get(places[path]),
        stranger.get(places[path]),
        alice.get(empty),
        stranger.put(places[path]),
    ):
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        if not headers.get("Content-Type", "").startswith("image/svg"):
            assert policy == PAGE_POLICY
            assert "unsafe" not in policy
        assert headers.get("Content-Type", "").count("charset") <= 1
        for name in headers:
            assert len(headers.get_list(name)) == 1, name


@pytest.mark.parametrize("path", READS)
def test_no_page_has_a_script_or_style_inside_or_a_part_from_elsewhere(
    path: str, places: dict[str, str], alice: httpx.Client, stranger: httpx.Client
) -> None:
    for answer in (alice.get(places[path]), stranger.get(places[path]), alice.get(path)):
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert Inline(answer.text).found == []


def test_the_search_for_what_is_inside_finds_it() -> None:
    html = '<p style="x" onclick="y"><script>1</script><style></style><img src="//evil.example/x">'
    assert Inline(html).found == ["style", "onclick", "script", "style", "//evil.example/x"]


def test_pages_are_kept_by_nobody_and_assets_for_a_year(alice: httpx.Client) -> None:
    page = alice.get("/")
    assert page.headers["Cache-Control"] == "no-store"
    (style,) = (part for part in page.text.split('"') if part.startswith("/static/turnout.css"))
    asset = alice.get(style)
    assert asset.headers["Content-Type"] == "text/css; charset=utf-8"
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert alice.get("/static/turnout.css?v=old").headers["Cache-Control"] == "no-cache"
    assert alice.get("/static/turnout.js").headers["Content-Type"].startswith("text/javascript")
    assert alice.get("/favicon.ico").headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize("name", ["..%2fsite.py", "%2e%2e/site.py", "no.css", "%00", "x" * 999])
def test_nothing_but_the_assets_is_served_as_one(name: str, stranger: httpx.Client) -> None:
    assert stranger.get(f"/static/{name}").status_code == 404


def test_an_error_is_a_page_for_people_and_json_for_programs(alice: httpx.Client) -> None:
    page = alice.get("/no/such/place", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<h1>Nothing here</h1>" in page.text
    assert "begin at the home page" in page.text
    data = alice.get("/no/such/place", headers={"Accept": "application/json"})
    assert data.headers["Content-Type"] == "application/json"
    assert set(data.json()) == {"error", "hint"}
    assert alice.get("/no/such/place.json").json()["error"] == data.json()["error"]
    wrong = alice.put("/clips")
    assert (wrong.status_code, "cannot be used that way" in wrong.text) == (405, True)


@pytest.fixture(scope="module")
def broken(make_installation: Callable[..., Installation]) -> Installation:
    """An installation whose state database has lost the clips, and whose Alice is signed in."""
    installation = make_installation()
    installation.people.add("Alice", OWNER, PASSWORD, now=installation.clock())
    installation.clip("Lost", "SELECT 1", id="lost")
    with installation.state.begin() as connection:
        connection.execute(sa.text("DROP TABLE clip_version"))
    return installation


@pytest.fixture
def visitor(broken: Installation) -> httpx.Client:
    alice = broken.people.find("Alice")
    token = broken.people.open_session(alice, now=broken.clock())
    return httpx.Client(base_url=broken.url, cookies={"turnout_session": token}, timeout=20)


@pytest.mark.parametrize("path", ["/", "/clips", "/clips/lost", "/clips/lost.json"])
def test_a_fault_inside_is_never_shown_only_said(
    path: str, visitor: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with visitor:
        answer = visitor.get(path)
    assert answer.status_code == 500
    assert "This page could not be made." in answer.text
    assert "look at Turnout&#39;s log" in answer.text or answer.json()["hint"]
    for word in (
        "Traceback",
        "sqlite",
        "OperationalError",
        "SELECT",
        "clip_version",
        ".py",
        "<pre",
    ):
        assert word not in answer.text
    assert answer.headers["Content-Security-Policy"] == PAGE_POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    logged = capfd.readouterr().out
    assert "kind=OperationalError" in logged
    assert "turnout/web/" in logged
    assert "clip_version" not in logged  # where it happened, never with which values


def test_a_fault_behind_a_link_logs_no_token(
    broken: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    token = broken.links.create("lost", "Alice", expires_at=None, now=broken.clock())[1]
    answer = httpx.get(f"{broken.url}/s/{token}")
    assert answer.status_code == 500
    assert "Set-Cookie" not in answer.headers
    logged = capfd.readouterr().out
    assert "path=/s/…" in logged
    assert token not in logged


def test_a_fault_before_anybody_is_known_is_a_page_too(broken: Installation) -> None:
    with broken.state.begin() as connection:
        connection.execute(sa.text("ALTER TABLE session RENAME TO lost"))
    try:
        answer = httpx.get(broken.url, cookies={"turnout_session": "x"})
        assert answer.status_code == 500
        assert "This page could not be made." in answer.text
    finally:
        with broken.state.begin() as connection:
            connection.execute(sa.text("ALTER TABLE lost RENAME TO session"))
