"""What folders of tests share: the real PostgreSQL, a browser, golden files, no silent skips."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from psycopg import sql

from tests.sync.mysql.server import MISSING, MariaDB, install, is_installed
from turnout.demo.cluster import Cluster

# Where no test may be skipped, every run is to say the same; elsewhere each run looks further.
settings.register_profile("same", derandomize=True)
if os.environ.get("TURNOUT_TEST_NO_SKIP"):
    settings.load_profile("same")

# Folders whose tests start whole installations.
SLOW = ("walks", "sdk", "demo", "crash")
GOLDEN = Path(__file__).parent / "golden"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite the files in tests/golden/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Few tests that take long begin first: at the end nobody waits for the last of them."""
    items.sort(key=lambda item: not any(folder in item.path.parts for folder in SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With TURNOUT_TEST_NO_SKIP=1 a skipped test is a failed one: the build proves everything."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _no_skip():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if report.skipped and _no_skip():
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped: {report.longreprtext}"
    return report


def _no_skip() -> bool:
    return os.environ.get("TURNOUT_TEST_NO_SKIP") == "1"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a file in `tests/golden/`; `--golden` rewrites the file instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())  # line ends as they are
        assert path.exists(), f"{path} is missing: run `make golden` and read what it wrote"
        assert text == path.read_bytes().decode()

    return compare


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A leader and a streaming follower, shared by all tests of one worker."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """A new, empty database on the shared leader, and so on its follower; its name."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with cluster.connect("postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield name
        # FORCE: a test may have left a connection of its own open.
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def mariadb_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MariaDB's files, made once for all workers."""
    if not is_installed():
        pytest.skip(MISSING)
    shared = tmp_path_factory.getbasetemp().parent / "mariadb-files"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            part = shared.with_suffix(".part")
            install(part)
            part.rename(shared)
    return shared


@pytest.fixture(scope="session")
def mariadb(mariadb_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A MariaDB leader, shared by all tests of one worker."""
    server = MariaDB(tmp_path_factory.mktemp("mariadb") / "leader", mariadb_files)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def mariadb_follower(
    mariadb: MariaDB, mariadb_files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDB]:
    """Its follower: it has what was made since a test asked for it first."""
    server = MariaDB(tmp_path_factory.mktemp("mariadb") / "follower", mariadb_files, number=2)
    server.start()
    server.follow(mariadb)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, driven from here.

    One for each file: while it is driven, this thread has an event loop that runs, and tests that
    start one of their own could not.
    """
    path = os.environ.get("TURNOUT_TEST_CHROMIUM") or find_chromium()
    if path is None:
        pytest.skip(
            "No Chromium on PATH: install one, or name it in TURNOUT_TEST_CHROMIUM, "
            "to run these tests."
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)
