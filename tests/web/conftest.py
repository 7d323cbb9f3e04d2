"""Alice's installation, three browsers, and forms sent as browsers send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.web.installation import PASSWORD, Installation, Running, fill, token_in
from turnout.state import migrate
from turnout.web import copies, status


@pytest.fixture(scope="session")
def make_installation(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Installation]]:
    """Opens installations that stay until the end; each has an empty home."""
    opened: list[Running] = []

    def make(**values: Any) -> Installation:
        home = tmp_path_factory.mktemp("home")
        (home / "data").mkdir()
        installation = Installation(home, **values)
        migrate(installation.state)
        running = Running(installation)
        running.open()
        opened.append(running)
        return installation

    with pytest.MonkeyPatch.context() as patch:
        # A busy machine must not make pages say that the warehouse is busy.
        patch.setattr(status, "PATIENCE_S", 20.0)
        patch.setattr(copies, "PATIENCE_S", 20.0)
        yield make
    for running in opened:
        running.close()


@pytest.fixture(scope="session")
def site(make_installation: Callable[..., Installation]) -> Installation:
    """Alice's installation, with people and data."""
    installation = make_installation()
    installation.people.add("Alice", "owner", PASSWORD, now=installation.clock())
    installation.people.add("Bob", "member", PASSWORD, now=installation.clock())
    fill(installation)
    return installation


@pytest.fixture(scope="session")
def _alice_cookies(site: Installation) -> dict[str, str]:
    token = site.people.open_session(site.people.find("Alice"), now=site.clock())
    return {"turnout_session": token}


@pytest.fixture
def alice(site: Installation, _alice_cookies: dict[str, str]) -> Iterator[httpx.Client]:
    """Alice's browser, signed in."""
    with httpx.Client(base_url=site.url, cookies=_alice_cookies, timeout=30) as client:
        yield client


@pytest.fixture
def bob(site: Installation) -> Iterator[httpx.Client]:
    """Bob's browser, signed in."""
    token = site.people.open_session(site.people.find("Bob"), now=site.clock())
    cookies = {"turnout_session": token}
    with httpx.Client(base_url=site.url, cookies=cookies, timeout=30) as client:
        yield client


@pytest.fixture
def stranger(site: Installation) -> Iterator[httpx.Client]:
    """A browser that nobody here knows."""
    with httpx.Client(base_url=site.url, timeout=30) as client:
        yield client


@pytest.fixture
def send() -> Callable[..., httpx.Response]:
    """Send a form as a browser would: with the token of the page it stands on."""

    def send(
        client: httpx.Client, page: str, fields: dict[str, str] | None = None, to: str = ""
    ) -> httpx.Response:
        form_token = token_in(client.get(page).text)
        return client.post(to or page, data={"form_token": form_token} | (fields or {}))

    return send
