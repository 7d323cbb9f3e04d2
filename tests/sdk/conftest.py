"""A whole Turnout for the clients of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import Turnout
from tests.sdk.source import opened

# Its assertions say what differs, as a test file's do.
pytest.register_assert_rewrite("tests.sdk.ledger")


@pytest.fixture(scope="module")
def turnout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turnout]:
    with opened(tmp_path_factory.mktemp("sdk")) as running:
        yield running


@pytest.fixture(scope="session")
def clients() -> None:
    """Other people's libraries are installed, or the tests that need them are skipped."""
    from tests.sdk.install import READY

    if not READY.exists():
        pytest.skip("The libraries to test with are missing: `python -m tests.sdk.install`.")
