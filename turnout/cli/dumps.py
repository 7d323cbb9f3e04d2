"""`turnout source load`: tables filled from a dump, or from CSV and Parquet files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from turnout.cli.asking import ask
from turnout.cli.terminal import Home, complaints, console
from turnout.config import FILE_NAME, Config, load_config
from turnout.errors import BadRequest, ConfigError, NotFound


def load(  # noqa: PLR0913 - an option each
    files: Annotated[
        list[Path],
        typer.Argument(
            help="What pg_dump wrote (custom, directory or plain), CSV or Parquet files.",
        ),
    ],
    source: Annotated[
        str | None, typer.Option(help="Whose selection it is. None: the only one there is.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(help="Whose rows CSV and Parquet hold. None: each file's name says it."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="When they were written, such as 2026-11-01T09:30. None: they say it."),
    ] = None,
    *,
    older: Annotated[
        bool, typer.Option("--older", help="Also when what is there is newer.")
    ] = False,
    home: Home = Path(),
) -> None:
    """Fill a source's selected tables from files; nothing else of them is read."""
    config = load_config(home)
    parameters = {
        "files": [str(_found(file)) for file in files],
        "table": table,
        "as_of": _moment(as_of),
        "older": older,
    }
    outcome = ask(config, f"source load {_named(config, source)}", parameters)
    place = complaints if outcome.failed else console
    place.print(outcome.sentence, markup=False, highlight=False, soft_wrap=True)
    for remark in outcome.result.get("remarks", ()):
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if outcome.failed else 0)


def _named(config: Config, name: str | None) -> str:
    if name is not None and name not in config.sources:
        raise NotFound(f"There is no source '{name}' in {FILE_NAME}.")
    if name is None and len(config.sources) != 1:
        raise ConfigError(
            f"{FILE_NAME} names {len(config.sources) or 'no'} sources.",
            hint="Say whose tables these are with --source; a source without a server has the "
            'url "file:".',
        )
    return name or next(iter(config.sources))


def _found(file: Path) -> Path:
    """From the root on: the app that reads it may run elsewhere."""
    if not file.exists():
        raise NotFound(f"There is no file {file}.")
    return file.absolute()


def _moment(text: str | None) -> str | None:
    """A time somebody typed; without a zone it is UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"--as-of '{text}' is not a time.", hint="Write 2026-11-01 or 2026-11-01T09:30."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
