"""What the types of the settings alone cannot say."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from turnout.config.listing import hide_password
from turnout.config.settings import Config
from turnout.config.source import Source
from turnout.errors import ConfigError

# Dumps and other files, for a source that has no server.
FILES = "file:"
KINDS = ("postgres://", "postgresql://", "mysql://", "mariadb://", FILES)


def check(config: Config) -> None:
    """What types alone cannot say."""
    _check_proxies(config)
    if not config.warehouse.url.startswith("duckdb:"):
        raise ConfigError(
            f"warehouse.url is '{hide_password(config.warehouse.url)}'.",
            hint="This version keeps its warehouse in DuckDB: 'duckdb:data/warehouse.duckdb'.",
        )
    if (config.web.host, config.web.port) == (config.collector.host, config.collector.port):
        raise ConfigError(
            f"web.port and collector.port are both {config.web.port}.",
            hint="Give each its own port.",
        )
    for name, source in config.sources.items():
        if not source.url.startswith(KINDS):
            raise ConfigError(
                f"sources.{name}.url does not begin with postgresql://, mysql:// or mariadb://.",
                hint="Turnout copies from PostgreSQL, MySQL and MariaDB, and from files (file:).",
            )
        if not source.url.startswith(FILES) and not _is_address(source.url):
            raise ConfigError(
                f"sources.{name}.url is not a whole address.",
                hint="Write postgresql://user:password@host:port/database.",
            )
        if source.schema in {"analytics", "turnout", "_turnout"}:
            raise ConfigError(
                f"sources.{name}.schema is '{source.schema}', a schema Turnout fills itself.",
                hint="Choose another, such as 'userdata'.",
            )
        _check_schedule(name, source)
        _check_alarm(name, source)
        for table, selection in source.tables.items():
            if "*" in selection.columns:
                raise ConfigError(
                    f"sources.{name}.tables.{table}.columns holds '*'.",
                    hint="Name each column: only what is named is copied.",
                )
    _check_targets(config)
    _check_membership(config)


def _check_targets(config: Config) -> None:
    """Two sources that fill one table would take it from each other at each copy."""
    filled: dict[tuple[str, str], str] = {}
    for name, source in config.sources.items():
        for table in source.tables:
            target = source.schema, table.rpartition(".")[2].strip('"').casefold()
            other = filled.setdefault(target, name)
            if other != name:
                raise ConfigError(
                    f"The sources '{other}' and '{name}' both copy into {'.'.join(target)}.",
                    hint=f'Give one of them another schema: [sources.{name}] schema = "{name}".',
                )


def _check_schedule(name: str, source: Source) -> None:
    """What is only found wrong at night is found wrong too late."""
    try:
        zone = ZoneInfo(source.time_zone)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ConfigError(
            f"sources.{name}.time_zone is '{source.time_zone}', which is no time zone.",
            hint="Write it as in 'Europe/Vienna' or 'UTC'.",
        ) from None
    if not source.cron:
        return
    try:
        next(CronSim(source.cron, datetime.now(zone)))
    except (CronSimError, StopIteration):
        raise ConfigError(
            f"sources.{name}.cron is '{source.cron}', which names no time.",
            hint="Five fields: minute, hour, day, month, weekday; '0 3 * * *' is 3:00 each night.",
        ) from None


def _check_alarm(name: str, source: Source) -> None:
    webhook = urlsplit(source.alarm.webhook)
    if source.alarm.webhook and (webhook.scheme not in ("http", "https") or not webhook.hostname):
        raise ConfigError(
            f"sources.{name}.alarm.webhook is not the address of a web page.",
            hint="Write it with https:// in front.",
        )


def _check_membership(config: Config) -> None:
    """Only what is copied can be read."""
    declared = config.identity.membership
    if not declared.table:
        return
    schema, _, name = declared.table.partition(".")
    copied = {
        column
        for source in config.sources.values()
        for table, selection in source.tables.items()
        if (source.schema, table.rpartition(".")[2].strip('"')) == (schema, name)
        for column in selection.columns
    }
    if not copied:
        raise ConfigError(
            f"identity.membership.table is '{declared.table}', which no source copies.",
            hint="Write it as schema.table, and select the table under [sources].",
        )
    for key in ("account", "user", "since", "until"):
        column = getattr(declared, key)
        if (key in ("account", "user") or column) and column not in copied:
            raise ConfigError(
                f"identity.membership.{key} is '{column}', no copied column of {declared.table}.",
                hint=f"Copied are: {', '.join(sorted(copied))}.",
            )


def _check_proxies(config: Config) -> None:
    """The collector believes what they say of a request's origin."""
    for network in config.collector.trusted_proxies.split():
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ConfigError(
                f"collector.trusted_proxies names '{network}', which is no address or network.",
                hint="Write them with spaces between: '10.0.0.0/8 127.0.0.1'.",
            ) from None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
