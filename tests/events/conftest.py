from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events.house import House, RunningCollector, start_collector


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.loader.close()
    house.warehouse.close()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCollector]:
    """One collector for the tests of a file."""
    running = start_collector(tmp_path_factory.mktemp("journal"))
    yield running
    if running.process.poll() is None:
        running.kill()
