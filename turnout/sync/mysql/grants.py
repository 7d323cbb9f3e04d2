"""The statements an administrator runs so that a user can read the selection, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from turnout.sync.mysql.names import qualified, quoted
from turnout.sync.selection import SelectedTable


def grants(selection: Sequence[SelectedTable], user: str, database: str) -> list[str]:
    """Exact column-level GRANT statements for `user` (`name` or `name@host`), table by table."""
    return [_grant(table, user, database) for table in selection]


def new_user(user: str) -> str:
    """The statement that makes `user`, with a password to be filled in."""
    return f"CREATE USER {account(user)} IDENTIFIED BY '…' WITH MAX_USER_CONNECTIONS 4;"


def account(user: str) -> str:
    """`name@host` as the server writes it, quoted; without a host, of any."""
    name, _, host = user.rpartition("@") if "@" in user else (user, "", "%")
    return f"{_text(name)}@{_text(host)}"


def _grant(table: SelectedTable, user: str, database: str) -> str:
    columns = _list(table.columns)
    return f"GRANT SELECT ({columns}) ON {qualified(table, database)} TO {account(user)};"


def _list(columns: Sequence[str]) -> str:
    return ", ".join(quoted(column) for column in columns)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
