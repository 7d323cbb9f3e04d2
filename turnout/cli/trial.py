"""The trial of `turnout events check`: six calls by the official SDK, and what became of them."""

from __future__ import annotations

import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from turnout.access.keys import WriteKey, WriteKeys
from turnout.cli.asking import ask
from turnout.cli.terminal import open_home_state
from turnout.config import Config
from turnout.errors import ConfigError, LoadFailed, NotFound, TurnoutError
from turnout.events.upkeep.trial import EVENT
from turnout.home import is_running

# The schema of a key that is made for the trial.
SCHEMA = "turnout_check"

# Six calls become as many rows in base tables, and one each in users, accounts and the event's.
TABLES = 9
LOADED_WITHIN_S = 30.0
KEY_KNOWN_WITHIN_S = 10.0


class Trial:
    """One trial; `clean` takes away what it made."""

    def __init__(self, config: Config, key: str | None) -> None:
        """Raises what says plainly why there can be no trial now."""
        self._config = config
        self._host = f"http://{config.collector.host}:{config.collector.port}"
        self._client = _sdk()
        _refuse_silence(self._host)
        if not is_running(config, "app"):
            raise ConfigError(
                "The app is not running, so nothing is loaded.",
                hint="Start it with `turnout serve`.",
            )
        self._keys = WriteKeys(open_home_state(config))
        self._is_own = key is None
        self._key = self._keys.create("check", SCHEMA) if key is None else self._known(key)
        mark = f"turnout-check-{secrets.token_hex(6)}"
        self._ids = {"user": mark, "account": f"{mark}-account", "former_user": f"{mark}-former"}
        self._began_s = time.time()

    def send(self) -> None:
        """All six calls, acknowledged."""
        user, account, former = (self._ids[name] for name in ("user", "account", "former_user"))
        # With a key of somebody's own tables no column is to be left behind.
        traits = {"plan": "trial", "seats": 5} if self._is_own else {}
        client = self._client_of_key()
        try:
            client.identify(user, traits)
            client.group(user, account, traits)
            client.track(user, EVENT, {"number": 1, "share": 0.5, "works": True})
            client.page(user, "docs", "Start")
            client.screen(user, "docs", "Start")
            client.alias(former, user)
        except Exception as error:  # noqa: BLE001 - the SDK raises whatever its transport does
            raise TurnoutError(f"The collector did not take an event: {error}.") from None

    def rows(self) -> Mapping[str, Mapping[str, str]]:
        """A row of each table they became; raises `LoadFailed` when they do not."""
        deadline = time.monotonic() + LOADED_WITHIN_S
        wanted = {**self._ids, "schema": self._key.schema}
        tables: Mapping[str, Any] = {}
        while time.monotonic() < deadline:
            outcome = ask(self._config, "events find trial", wanted)
            if outcome.failed:
                raise LoadFailed(outcome.sentence)
            tables = outcome.result.get("tables", {})
            if len(tables) >= TABLES:
                return tables
        raise LoadFailed(
            f"Only {len(tables)} of {TABLES} tables have a row after {LOADED_WITHIN_S:.0f} s.",
            hint="The log of `turnout serve` says why.",
        )

    def clean(self, *, keep: bool) -> None:
        """Revoke the key that was made, and remove the events unless they are to be kept."""
        if self._is_own:
            self._keys.revoke(self._key.key)
        if not keep:
            wanted = {**self._ids, "schema": self._key.schema, "since_s": self._began_s}
            ask(self._config, "events remove trial", wanted)

    def _known(self, key: str) -> WriteKey:
        found = self._keys.active().get(key)
        if found is None:
            raise NotFound(
                "There is no such write key, or it is revoked.",
                hint="`turnout key list` shows them.",
            )
        return found

    def _client_of_key(self) -> Any:
        """The SDK, once the collector knows the key."""
        deadline = time.monotonic() + KEY_KNOWN_WITHIN_S
        while _status(f"{self._host}/v1/projects/{self._key.key}/settings") not in (200, None):
            if time.monotonic() > deadline:
                raise NotFound("The collector does not know the key.")
            time.sleep(0.1)
        return self._client(self._key.key, host=self._host, sync_mode=True, max_retries=2)


def _sdk() -> Any:
    try:
        from segment.analytics.client import Client
    except ImportError:
        raise ConfigError(
            "The official SDK is not installed.",
            hint="Install it with: pip install segment-analytics-python",
        ) from None
    return Client


def _refuse_silence(host: str) -> None:
    if _status(f"{host}/healthz") != 200:  # noqa: PLR2004 - HTTP's own number
        raise ConfigError(f"No collector answers at {host}.", hint="Start it with `turnout serve`.")


def _status(url: str) -> int | None:
    """The status of the answer; None when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
