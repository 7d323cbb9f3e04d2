"""The report of what leaves, as text to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from turnout.cli.terminal import console


def show_report(report: Mapping[str, Any]) -> None:
    """Everything, source by source and table by table."""
    origin = report["origin"]
    _say(f"What leaves the sources of this Turnout, made {_minute(report['made_at'])}", "bold")
    _say(
        f"by version {report['version']} from {origin['file']}, changed "
        f"{_minute(origin['changed_at']) or 'never'}, SHA-256 {origin['sha256'] or 'none'}",
        "dim",
    )
    for source in report["sources"]:
        _show_source(source)


def _show_source(source: Mapping[str, Any]) -> None:
    console.print()
    role = f" as {source['role']}" if source["role"] else ""
    _say(f"{source['name']}: {source['place']}{role}", "bold")
    _say(f"  copied into {source['schema']}. {_forgotten(source)}")
    for table in source["tables"]:
        _show_table(table)
    if source["grants"]:
        _say("  Of every other table nothing is read. The role needs these rights and no more:")
    for statement in source["grants"]:
        _say(f"    {statement}", "dim")


def _show_table(table: Mapping[str, Any]) -> None:
    console.print()
    _say(f"  {table['table']} → {table['copied_to']}", "bold")
    for sentence in _facts(table):
        _say(f"    {sentence}")
    columns = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("    leaves", "type", "how", "since", "why", "looks like"):
        columns.add_column(heading, overflow="fold", header_style="dim")
    for column in table["leaving"]:
        columns.add_row(
            Text(f"    {column['column']}"),
            Text(column["type"]),
            Text(column["treatment"], style="" if column["treatment"] == "keep" else "green"),
            (column["since"] or "not yet")[:10],
            Text(column["reason"] or ""),
            Text(", ".join(_found(column)), style="yellow"),
        )
    console.print(columns)
    _say(f"    {_staying(table['staying'])}")


def _facts(table: Mapping[str, Any]) -> Iterator[str]:
    if table["rows"] is None:
        yield "Not copied yet."
    else:
        yield f"{table['rows']:,} rows as of {_minute(table['as_of'])}, mode {table['mode']}."
    if table["where"]:
        yield f"Only rows where {table['where']}"
    for column, keys in table["json_keys"].items():
        yield f"Of {column} only the keys {', '.join(keys)}."
    if table["history"]:
        kept = "those of deleted rows too" if table["deleted_history"] == "keep" else "no others"
        yield f"Every version of a row is kept, {kept}."
    if table["person"]:
        yield f"About the person in {table['person']}, who can be forgotten."
    if table["problem"]:
        yield f"Last try: {table['problem']}"


def _found(column: Mapping[str, Any]) -> Iterator[str]:
    if column["looks"] and column["treatment"] == "keep":
        yield column["looks"]
    for found in column["found"]:
        yield f"{found['share']:.1%} {found['kind']}"


def _staying(names: list[str] | None) -> str:
    if names is None:
        return "Which columns stay is known after the first copy."
    if not names:
        return "No other column there."
    return f"Stay there: {', '.join(names)}"


def _forgotten(source: Mapping[str, Any]) -> str:
    if not source["keeps_forgotten_out"]:
        return "People who were forgotten are NOT kept out."
    number = source["forgotten"]
    return f"{number:,} forgotten {'id is' if number == 1 else 'ids are'} kept out."


def _minute(at: str | None) -> str:
    return f"{at[:16].replace('T', ' ')} UTC" if at else ""


def _say(sentence: str, style: str = "") -> None:
    console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)
