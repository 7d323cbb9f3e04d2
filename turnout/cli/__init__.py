"""The terminal: a few lines per command, one file per group of words.

Errors become one sentence and an exit code here.
"""

from __future__ import annotations

import os
import sys
from typing import Never

import typer

from turnout.cli import copying, dumps, events, keys, privacy, serving, source
from turnout.cli.terminal import EXIT_CODES, complain, complaints
from turnout.errors import TurnoutError

__all__ = ["EXIT_CODES", "app", "main"]

app = typer.Typer(
    name="turnout",
    help="Account-level answers from usage events and your own database.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(serving.serve)
app.command()(serving.demo)
app.command()(serving.check)
app.command()(copying.sync)
app.command("sign-in")(serving.sign_in)
app.command()(serving.version)
app.add_typer(keys.words, name="key")
app.add_typer(events.words, name="events")
# Others put their words beside these: `source.words.command("…")(…)`.
source.words.command("forget")(privacy.forget)
source.words.command("report")(privacy.report)
source.words.command("load")(dumps.load)
app.add_typer(source.words, name="source")


def main() -> Never:
    """Run the command; say what went wrong in one sentence, never with a trace."""
    try:
        # A `typer.Exit` comes back as the number it carries.
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except TurnoutError as error:
        complain(error)
        sys.exit(next(code for family, code in EXIT_CODES if isinstance(error, family)))
    except Exception as error:
        # Typer exports no base class for usage errors; they alone can show themselves.
        if show := getattr(error, "show", None):
            show()
            sys.exit(getattr(error, "exit_code", 2))
        if "TURNOUT_TRACE" in os.environ:
            raise
        complaints.print(f"Turnout failed inside: {type(error).__name__}.", style="red")
        complaints.print("Set TURNOUT_TRACE=1 to see where, and please report it.")
        sys.exit(70)
