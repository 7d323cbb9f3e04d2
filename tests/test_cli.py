"""The terminal: what a newcomer types and reads."""

import subprocess
import sys
from pathlib import Path

import pytest


def turnout(*words: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--home", str(home)] if home else []
    command = [sys.executable, "-m", "turnout", *words, *where]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_alone_it_lists_its_commands() -> None:
    said = turnout()
    for command in ("serve", "demo", "check", "sync", "sign-in", "key", "version"):
        assert command in said.stdout


def test_an_unknown_command_is_named() -> None:
    said = turnout("serv")
    assert said.returncode == 2
    assert "serv" in said.stderr
    assert "Traceback" not in said.stderr


def test_version_prints_the_version() -> None:
    assert turnout("version").stdout == "turnout 0.1.0\n"


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    key = turnout("key", "add", "website", home=tmp_path).stdout.strip()
    assert key in turnout("key", "list", home=tmp_path).stdout
    assert "Revoked" in turnout("key", "revoke", key, home=tmp_path).stdout
    assert turnout("key", "revoke", "unknown", home=tmp_path).returncode == 7


def test_a_key_is_made_for_where_it_lives_and_changed(tmp_path: Path) -> None:
    key = turnout(
        "key", "add", "website", "--kind=browser", "--origin=https://a.example", home=tmp_path
    ).stdout.strip()
    assert "browser" in turnout("key", "list", home=tmp_path).stdout
    assert turnout("key", "change", key, "--kind=mobile", home=tmp_path).stdout == "Changed.\n"
    assert "mobile" in turnout("key", "list", home=tmp_path).stdout
    said = turnout("key", "change", key, "--ip=sell", home=tmp_path)
    assert said.returncode == 9
    assert "keep, truncate, drop" in said.stderr


def test_sign_in_prints_a_new_link_each_time(tmp_path: Path) -> None:
    first = turnout("sign-in", home=tmp_path).stdout
    second = turnout("sign-in", home=tmp_path).stdout
    assert first.startswith("http://127.0.0.1:8100/welcome/")
    assert first != second


def test_check_prints_the_settings_in_force_and_hides_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "turnout.toml").write_text('[sources.app]\nurl = "postgresql://r@127.0.0.1:1/a"')
    monkeypatch.setenv("TURNOUT_SOURCES_APP_URL", "postgresql://r:hush@127.0.0.1:1/a")
    said = turnout("check", home=tmp_path)
    assert "hush" not in said.stdout + said.stderr
    assert "[web]\n  host = 127.0.0.1\n  port = 8100\n" in said.stdout
    assert said.returncode == 1
    assert "✗ app:" in said.stdout


def test_check_finds_nothing_wrong_with_the_defaults(tmp_path: Path) -> None:
    said = turnout("check", home=tmp_path)
    assert said.returncode == 0
    assert "Nothing wrong found" in said.stdout


def test_sync_without_a_source_says_so(tmp_path: Path) -> None:
    said = turnout("sync", home=tmp_path)
    assert said.returncode == 2
    assert "names no source" in said.stderr


def test_sync_of_an_unknown_source_says_so(tmp_path: Path) -> None:
    said = turnout("sync", "crm", home=tmp_path)
    assert said.returncode == 7
    assert "There is no source 'crm'" in said.stderr


def test_an_unknown_process_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    said = turnout("serve", "--only", "collectr", home=tmp_path)
    assert said.returncode == 2
    assert "collector, app" in said.stderr
