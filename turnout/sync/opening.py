"""The door to every kind of source."""

from __future__ import annotations

from turnout import config
from turnout.errors import ConfigError
from turnout.sync.source import SourceDatabase


def open_source(name: str, source: config.Source) -> SourceDatabase:
    """The source called `name`. Its drivers are imported only now; it connects when asked.

    Raises `ConfigError` when its url is of no kind that is known here.
    """
    kind = source.url.partition(":")[0]
    if kind in ("postgres", "postgresql"):
        from turnout.sync.postgres.database import Postgres

        return Postgres(name, source)
    if kind in ("mysql", "mariadb"):
        from turnout.sync.mysql.database import MySQL

        return MySQL(name, source)
    if kind == "file":
        from turnout.sync.dump.address import open_files

        return open_files(source.url)
    raise ConfigError(f"There is no source of the kind '{kind}'.")
