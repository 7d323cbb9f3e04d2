"""After each load: whether texts that came look personal all the same. Values are never told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from turnout.errors import SourceRefused
from turnout.sync.privacy import disclosed, shapes
from turnout.sync.privacy.treatment import KEEP
from turnout.sync.selection import SelectedTable
from turnout.warehouse import Column, Dialect, Table, Transaction, Type

SAMPLE_ROWS = 10_000
# A single value of ten thousand may be chance: a version number looks like an address.
SHARE_MIN = 0.001
SCANNED = frozenset({Type.TEXT, Type.JSON})
FINDINGS = Table(
    "_turnout",
    "sync_findings",
    (
        Column("source", Type.TEXT),
        Column("schema_name", Type.TEXT),
        Column("table_name", Type.TEXT),
        Column("column_name", Type.TEXT),
        Column("kind", Type.TEXT),
        Column("share", Type.FLOAT),
        Column("first_found_at", Type.TIME),
        Column("run_at", Type.TIME),
    ),
    key=("source", "schema_name", "table_name", "column_name", "kind"),
)
# Runs one statement; its rows. `Warehouse.query` and `Transaction.execute` are such.
Ask = Callable[[str], pa.Table]


@dataclass(frozen=True, slots=True)
class Finding:
    """So much (0 to 1) of a column's values that are there has the shape of such a `kind`."""

    table: str
    column: str
    kind: str
    share: float

    @property
    def sentence(self) -> str:
        return f"{self.share:.1%} of {self.table}.{self.column} look like: {NAMES[self.kind]}"


NAMES = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "card": "card numbers",
    "iban": "bank accounts (IBAN)",
    "ip": "IP addresses",
}


def scan(
    ask: Ask, dialect: Dialect, staged: Table, selected: SelectedTable, among: str = ""
) -> list[Finding]:
    """What a sample of the texts in `staged` looks like, column by column.

    `staged` holds the rows that came, in the columns after treatment; `among` is a condition for
    those that are new where it holds others too. Treated columns are not looked at.
    """
    names = scanned(selected, staged.columns)
    if not names:
        return []
    sample = _sample(ask, dialect, staged, names, among)
    return [found for name in names for found in findings_in(selected.label, name, sample[name])]


def scanned(selected: SelectedTable, columns: Iterable[Column]) -> list[str]:
    """The columns that are looked at: texts that stay as they are."""
    settings = selected.settings
    return [
        column.name
        for column in columns
        if column.type in SCANNED
        and column.name in settings.columns
        and settings.treat.get(column.name, KEEP) == KEEP
    ]


def findings_in(table: str, column: str, values: pa.ChunkedArray) -> Iterable[Finding]:
    """What these values look like, those that are NULL left out."""
    texts = values.cast(pa.string()).combine_chunks().drop_null()
    for kind, count in shapes.having(texts).items():
        share = count / len(texts)
        if share >= SHARE_MIN:
            yield Finding(table, column, kind, share)


def stop_if_found(selected: SelectedTable, findings: Iterable[Finding]) -> None:
    """Raise `SourceRefused` where the table asks for that and nobody gave a reason (`personal`)."""
    settings = selected.settings
    unexpected = [found for found in findings if found.column not in settings.personal]
    if settings.on_found != "stop" or not unexpected:
        return
    raise SourceRefused(
        f"{selected.label} is not copied: {'; '.join(found.sentence for found in unexpected)}.",
        hint="Treat the column, leave it out, or say under 'personal' why it may be copied.",
    )


def record(  # noqa: PLR0913 - whose they are, what, when, of how much
    transaction: Transaction,
    source: str,
    selected: SelectedTable,
    findings: Sequence[Finding],
    run_at: datetime,
    *,
    whole: bool,
) -> None:
    """Remember `findings` in `_turnout.sync_findings`, in the transaction that made them true.

    After a `whole` copy, those of before that were not found again are gone. Called after every
    copy, also when nothing was found: the book of what left is kept here too.
    """
    disclosed.note(transaction, source, selected, run_at)
    transaction.prepare(FINDINGS)
    at = run_at.astimezone(UTC).replace(tzinfo=None)
    place = (source, selected.schema, selected.name)
    known = transaction.execute(
        "SELECT column_name, kind, first_found_at FROM _turnout.sync_findings "
        "WHERE source = ? AND schema_name = ? AND table_name = ?",
        place,
    ).to_pylist()
    since = {(row["column_name"], row["kind"]): row["first_found_at"] for row in known}
    if whole and known:
        transaction.execute(
            "DELETE FROM _turnout.sync_findings "
            "WHERE source = ? AND schema_name = ? AND table_name = ?",
            place,
        )
    if not findings:
        return
    rows = [
        dict(
            zip(FINDINGS.key, (*place, found.column, found.kind), strict=True),
            share=found.share,
            first_found_at=since.get((found.column, found.kind), at),
            run_at=at,
        )
        for found in findings
    ]
    transaction.merge(FINDINGS, pa.Table.from_pylist(rows))


def _sample(
    ask: Ask, dialect: Dialect, staged: Table, names: Sequence[str], among: str
) -> pa.Table:
    """Rows from everywhere in the table: the newest are as likely as the oldest."""
    place = dialect.table(staged.schema, staged.name)
    where = f" WHERE {among}" if among else ""
    rows = ask(f"SELECT count(*) AS n FROM {place}{where}")["n"][0].as_py()
    columns = ", ".join(dialect.identifier(name) for name in names)
    if rows <= SAMPLE_ROWS:
        return ask(f"SELECT {columns} FROM {place}{where}")
    return ask(
        f"SELECT {columns} FROM (SELECT {columns}, row_number() OVER () AS _nth "
        f"FROM {place}{where}) AS numbered WHERE _nth % {-(-rows // SAMPLE_ROWS)} = 0"
    )
