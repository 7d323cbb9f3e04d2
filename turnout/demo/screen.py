"""What the demo says on the terminal: a welcome, a bar, one quiet line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


def welcome(sign_in_link: str, share_link: str, sdk_host: str, write_key: str) -> Panel:
    """The four things worth trying, each on lines one can copy."""
    steps = Table.grid(padding=(0, 1))
    for step, line in (
        ("Open the pages. This link signs you in, once:", sign_in_link),
        ("A share link, for anybody, with no account:", share_link),
        ("The same answer for a program:", f"curl {share_link}.csv"),
        (
            "Send an event of your own with a Segment SDK:",
            f"host {sdk_host}\nwrite key {write_key}",
        ),
    ):
        steps.add_row(Text(step, style="bold"))
        steps.add_row(Text(line, style="cyan", overflow="fold"))
        steps.add_row("")
    steps.add_row(Text("Ctrl-C ends it; the next start goes on from there.", style="dim"))
    return Panel(steps, title="Turnout and a pretend company", border_style="green", expand=False)


@contextlib.contextmanager
def bar(console: Console, text: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """A progress bar; call what it yields with (how much of `total` is done, a few words)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[words]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=total, words="")
        yield lambda done, words: progress.update(task, completed=done, words=words)
