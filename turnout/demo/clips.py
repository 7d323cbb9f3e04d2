"""The demo's own clips: SQL files beside this module, each opening with its title and its sentence.

A clip's id is its file's name and never changes, so its links survive every restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

# In the order of the home page.
IDS = (
    "paidshare",
    "admindaily",
    "signups",
    "topcustomer",
    "signupburst",
    "adminworkdays",
    "legacyexport",
    "bigbutton",
)


@dataclass(frozen=True, slots=True)
class DemoClip:
    """One clip as its file says it."""

    id: str
    title: str
    description: str
    sql: str


def demo_clips() -> Iterator[DemoClip]:
    """All of them, in the order of the home page."""
    folder = files("turnout.demo") / "clips"
    for id_ in IDS:
        yield parse(id_, (folder / f"{id_}.sql").read_text(encoding="utf-8"))


def parse(id_: str, text: str) -> DemoClip:
    """A file's text: `-- title:` and `-- description:` lines, an empty line, the SQL."""
    head, _, sql = text.partition("\n\n")
    words = dict(line.removeprefix("-- ").split(": ", 1) for line in head.splitlines())
    return DemoClip(id_, words["title"], words["description"], sql.strip() + "\n")
