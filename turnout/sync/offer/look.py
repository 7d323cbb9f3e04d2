"""Looking at a source of any kind, and at the shapes of sampled values where that is allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa

from turnout import config
from turnout.errors import ConfigError
from turnout.sync.facts import Looking, TableFacts
from turnout.sync.offer.columns import PLAIN_TYPES
from turnout.sync.privacy.scan import NAMES
from turnout.sync.privacy.shapes import having

SAMPLE_ROWS = 500
# One odd value of so many may be chance.
SHARE_MIN = 0.02


def look(name: str, source: config.Source) -> AbstractContextManager[Looking]:
    """Connect to the source called `name` and look at it. Its drivers are imported only now.

    Entering raises `SourceUnavailable` or `SourceRefused`; a url of no known kind is a
    `ConfigError`.
    """
    kind = source.url.partition(":")[0]
    if kind in ("postgres", "postgresql"):
        from turnout.sync.postgres import look as postgres

        return postgres.look(name, source)
    if kind in ("mysql", "mariadb"):
        from turnout.sync.mysql import look as mysql

        return mysql.look(name, source)
    raise ConfigError(
        f"There is no source of the kind '{kind}'.",
        hint="Turnout copies from PostgreSQL, MySQL and MariaDB.",
    )


def sampled(
    looking: Looking, tables: Collection[TableFacts]
) -> dict[TableFacts, Mapping[str, str]]:
    """Of each table the columns whose sampled values look personal, and what they look like.

    The values are looked at here and dropped; nothing of them is in the answer.
    """
    return {table: _seen(looking, table) for table in tables if table.may_read}


def _seen(looking: Looking, table: TableFacts) -> dict[str, str]:
    texts = [
        column.name
        for column in table.columns
        if not column.values and not column.type.lower().startswith(PLAIN_TYPES)
    ]
    samples = looking.samples(table, texts, SAMPLE_ROWS) if texts else {}
    return {name: said for name, values in samples.items() if (said := _said(values))}


def _said(values: Sequence[str]) -> str:
    found = having(pa.array(values, pa.string()))
    often = [NAMES[kind] for kind, count in found.items() if count >= SHARE_MIN * len(values)]
    return f"sampled values look like {', '.join(often)}" if often else ""
