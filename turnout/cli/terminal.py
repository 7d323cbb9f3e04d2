"""What every command shares: where it prints, which home it means, how it says what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from turnout.config import FILE_NAME, Config
from turnout.errors import (
    AlreadyRunning,
    ConfigError,
    NotAllowed,
    NotFound,
    SourceRefused,
    SourceUnavailable,
    TurnoutError,
    WarehouseUnavailable,
)

if TYPE_CHECKING:
    from turnout.state import State

# The first family that fits decides. 1 is kept for "the command ran and the answer is no".
EXIT_CODES: list[tuple[type[TurnoutError], int]] = [
    (AlreadyRunning, 3),
    (ConfigError, 2),
    (SourceUnavailable, 4),
    (SourceRefused, 5),
    (WarehouseUnavailable, 6),
    (NotFound, 7),
    (NotAllowed, 8),
    (TurnoutError, 9),
]

Home = Annotated[
    Path,
    typer.Option(
        "--home", envvar="TURNOUT_HOME", help=f"The folder that holds {FILE_NAME} and data/."
    ),
]

console = Console()
complaints = Console(stderr=True)


def complain(error: TurnoutError) -> None:
    """The sentence in red, the hint beneath it."""
    complaints.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
    if error.hint:
        complaints.print(error.hint, markup=False, highlight=False, soft_wrap=True)


def open_home_state(config: Config) -> State:
    """The state database, made if this is the first command in the home."""
    from turnout.serve import prepare_state
    from turnout.state import open_state

    prepare_state(config)
    return open_state(config.state_url)
