"""The statements an administrator runs so that a role can read a selection, and nothing else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from turnout import config
from turnout.sync.selection import selected_tables


def role_of(source: config.Source) -> str:
    """Who the source's address signs in as; empty when it names nobody."""
    return unquote(urlsplit(source.url).username or "")


def statements(name: str, source: config.Source, role: str) -> list[str]:
    """Make `role` and let it read exactly what the source selects; for the leader.

    The password is left open. What the role may do already is not taken away.
    Raises `ConfigError` for an empty selection.
    """
    selection = selected_tables(name, source)
    database = unquote(urlsplit(source.url).path.lstrip("/"))
    if source.url.startswith(("mysql", "mariadb")):
        from turnout.sync.mysql import grants as mysql

        return [mysql.new_user(role), *mysql.grants(selection, role, database)]
    if not source.url.startswith("postgres"):
        return []  # files ask for no role
    from turnout.sync.postgres import grants as postgres
    from turnout.sync.postgres.names import quoted

    connect = f"GRANT CONNECT ON DATABASE {quoted(database)} TO {quoted(role)};"
    return [
        *postgres.new_role(role),
        *([connect] if database else []),
        *postgres.grants(selection, role),
    ]
