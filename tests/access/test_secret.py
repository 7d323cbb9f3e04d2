from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from turnout.access.secret import secret_key
from turnout.errors import ConfigError, HomeUnusable


def test_the_first_call_makes_it_and_later_ones_read_it(tmp_path: Path) -> None:
    secret = secret_key(tmp_path / "data")
    assert len(secret) == 32
    assert secret_key(tmp_path / "data") == secret


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    secret_key(tmp_path)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_many_that_start_together_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        secrets = set(threads.map(lambda _: secret_key(tmp_path), range(32)))
    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_file_that_is_no_secret_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(ConfigError, match=f"{len(content)} bytes"):
        secret_key(tmp_path)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(HomeUnusable, match=r"secret\.key"):
        secret_key(tmp_path)
