from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events.identity.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One for many examples; each clears it first."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    yield ledger
    ledger.close()
