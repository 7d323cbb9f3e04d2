"""`turnout events`: taking in history; checking, rebuilding, mending and erasing what is stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from turnout.cli.asking import ask
from turnout.cli.terminal import Home, complain, complaints, console, open_home_state
from turnout.config import Config, load_config
from turnout.errors import AlreadyRunning, BadRequest, TurnoutError
from turnout.home import make_folders

if TYPE_CHECKING:
    from turnout.events.upkeep.importing import Importer, Tally

words = typer.Typer(
    help="Events: import history; check, rebuild, mend and erase what is stored.",
    no_args_is_help=True,
)
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
REASONS_SHOWN_MAX = 20


@words.command("import")
def import_(
    files: Annotated[
        list[str],
        typer.Argument(help="NDJSON or JSON arrays, plain, gzip or zstd; '-' is standard input."),
    ],
    source: Annotated[str, typer.Option(help="Whose events they are, such as 'website'.")],
    schema: Annotated[
        str | None,
        typer.Option(help="Warehouse schema they land in. None: where the source's events do."),
    ] = None,
    home: Home = Path(),
) -> None:
    """Take in events from files, as if they had been sent; safe to run again."""
    config = load_config(home)
    importer = _importer(config, source, schema)
    failure: TurnoutError | None = None
    try:
        _read_all(importer, files)
    except TurnoutError as error:
        failure = error
    finally:
        segments = importer.close()
    _say_refused(importer.tally)
    _load(config, importer, segments)
    if failure:
        raise failure


@words.command("replay")
def replay(  # noqa: PLR0913 - an option each
    table: Annotated[
        str | None, typer.Option(help="One table, as schema.table, with what belongs to it.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="One source's events.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Received at or after, such as 2026-11-01 or with a time.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Received before.")] = None,
    *,
    yes: Yes = False,
    home: Home = Path(),
) -> None:
    """Rebuild rows from the raw journal, as far as it reaches; older rows stay."""
    config = load_config(home)
    wanted = {
        "table": table,
        "source": source,
        "since": _moment("since", since),
        "until": _moment("until", until),
    }
    plan = ask(config, "events replay", {**wanted, "is_plan": True})
    _say(plan.sentence, failed=plan.failed)
    if plan.failed:
        raise typer.Exit(1)
    if not plan.result.get("rows"):
        return
    _confirm("Rebuild them?", yes=yes)
    _finish(config, "events replay", wanted)


@words.command("retype")
def retype(
    column: Annotated[str, typer.Argument(help="As schema.table.column.")],
    type: Annotated[  # noqa: A002 - the word people see
        str,
        typer.Argument(help="text, integer, float, boolean, timestamp or json."),
    ],
    home: Home = Path(),
) -> None:
    """Give a column another type; no value is lost, and later events keep to it."""
    _finish(load_config(home), "events retype", {"column": column, "type": type})


@words.command("forget")
def forget(  # noqa: PLR0913 - an option each
    user: Annotated[list[str] | None, typer.Option(help="A user's id; repeat for more.")] = None,
    account: Annotated[list[str] | None, typer.Option(help="An account's id.")] = None,
    anonymous: Annotated[list[str] | None, typer.Option(help="An anonymous id.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Yes = False,
    home: Home = Path(),
) -> None:
    """Erase whatever names somebody: journal, warehouse, snapshots, answers; with a receipt."""
    config = load_config(home)
    wanted: dict[str, Any] = {
        "users": user or [],
        "accounts": account or [],
        "anonymous": anonymous or [],
    }
    plan = _finish(config, "events forget", {**wanted, "is_plan": True})
    _say_counts(plan)
    if dry_run:
        return
    _confirm("Erase them for good?", yes=yes)
    done = _finish(config, "events forget", wanted)
    _say_counts(done["receipt"])
    _say(f"Receipt: {done['path']}", failed=False)


def _say_counts(receipt: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{receipt['journal']['lines']:,}", "lines of the journal")
    for name, rows in receipt["warehouse"].items():
        table.add_row(f"{rows:,}", f"rows of {name}")
    console.print(table)


@words.command("check")
def check(
    key: Annotated[
        str | None, typer.Option(help="The write key to try. None: one made for this trial.")
    ] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the events where they are.")] = False,
    home: Home = Path(),
) -> None:
    """Send all six calls through the official SDK and show the rows they became."""
    from turnout.cli.trial import Trial

    config = load_config(home)
    trial = Trial(config, key)
    try:
        trial.send()
        tables = trial.rows()
        show_rows(tables)
    finally:
        trial.clean(keep=keep)
    if not keep:
        _say("These events are removed again; --keep would leave them.", failed=False)


def show_rows(tables: Mapping[str, Mapping[str, str]]) -> None:
    """Each table with its row, own columns last."""
    for name, row in tables.items():
        console.print(f"✓ {name}", style="green", markup=False)
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for column, value in row.items():
            table.add_row(f"  {column}", Text(value))
        console.print(table)


def _importer(config: Config, source: str, schema: str | None) -> Importer:
    from turnout.access.keys import WriteKeys, checked_place
    from turnout.events.upkeep.importing import Importer

    make_folders(config)
    keys = [key for key in WriteKeys(open_home_state(config)).list() if key.source == source]
    if schema is None:
        schema = keys[-1].schema if keys else "analytics"
    source, schema = checked_place(source, schema)
    return Importer(
        config.journal_folder,
        source,
        schema,
        ip=keys[-1].ip if keys else "truncate",
        event_bytes_max=config.collector.event_bytes_max,
        segment_bytes_max=config.journal.segment_bytes_max,
    )


def _read_all(importer: Importer, files: list[str]) -> None:
    from turnout.events.upkeep.file import EventFile

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        for name in files:
            file = EventFile(name)
            total = os.stat(name).st_size if name != "-" else None  # noqa: PTH116 - as it was opened
            bar = bars.add_task(file.name, total=total)
            try:
                importer.take(file, lambda at, bar=bar: bars.update(bar, completed=at))  # type: ignore[misc] # mypy knows no defaults of lambdas
            finally:
                file.close()


def _say_refused(tally: Tally) -> None:
    """Why events were rejected, and where the first of each stand."""
    for reason, count in tally.refused.most_common(REASONS_SHOWN_MAX):
        places = ", ".join(tally.places[reason])
        more = " …" if count > len(tally.places[reason]) else ""
        _say(f"{count:,} rejected as {reason}: {places}{more}", failed=True)


def _load(config: Config, importer: Importer, segments: list[str]) -> None:
    tally = importer.tally
    if not tally.received:
        _say("There was nothing to import.", failed=False)
        return
    parameters = {
        "segments": segments,
        "received_at": importer.received_at.isoformat(),
        "source": importer.source,
        "schema": importer.schema,
        "received": tally.received,
    }
    try:
        outcome = ask(config, "events imported", parameters)
    except AlreadyRunning as error:
        complain(error)
        _say(f"{tally.received:,} events are safe in the journal and will be loaded.", failed=False)
        return
    if outcome.failed:
        _say(outcome.sentence, failed=True)
        _say(f"{tally.received:,} events are safe in the journal and will be loaded.", failed=False)
        raise typer.Exit(1)
    counts = outcome.result
    _say(
        f"{counts['received']:,} received = {counts['stored']:,} stored + "
        f"{counts['duplicates']:,} duplicates + {counts['rejected']:,} rejected.",
        failed=False,
    )


def _finish(config: Config, job: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Have it done and say what came of it; what else there is to show."""
    outcome = ask(config, job, parameters)
    _say(outcome.sentence, failed=outcome.failed)
    if outcome.failed:
        raise typer.Exit(1)
    return outcome.result


def _say(sentence: str, *, failed: bool) -> None:
    place = complaints if failed else console
    place.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _moment(option: str, text: str | None) -> str | None:
    """A time somebody typed; without a zone it is UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"--{option} '{text}' is not a time.", hint="Write 2026-11-01 or 2026-11-01T09:30."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
