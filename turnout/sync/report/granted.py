"""The rights that the selection needs and no more, as the statements that give them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from turnout.config import Source
from turnout.sync.selection import SelectedTable

PLACEHOLDER = "turnout_reader"


def grants_of(source: Source, selection: Sequence[SelectedTable]) -> list[str]:
    """The statements for the source's own role; none for files. Nothing is asked of the source."""
    parts = urlsplit(source.url)
    if parts.scheme == "file":
        return []
    role = unquote(parts.username or "") or PLACEHOLDER
    if parts.scheme in ("mysql", "mariadb"):
        from turnout.sync.mysql import grants as mysql

        return mysql.grants(selection, role, parts.path.strip("/"))
    from turnout.sync.postgres import grants as postgres

    return postgres.grants(selection, role)
