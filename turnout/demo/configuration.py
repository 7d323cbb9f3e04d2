"""The demo's `turnout.toml`: real settings, written so that a newcomer can read and change them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from turnout.config import FILE_NAME
from turnout.demo.database import READER
from turnout.demo.rows import SELECTION

# Wished for; another free one is taken where somebody listens already.
PORTS = (8100, 8101)
FOLLOWER = re.compile(rf'^url = "postgresql://{READER}:[^"]*"', re.MULTILINE)

TEXT = """\
# Turnout's settings. `turnout check` prints all of them with their defaults;
# restart after a change.

# The pages and the links you share.
[web]
port = {web_port}

# The address that the Segment SDKs send events to: their `host`.
[collector]
port = {collector_port}

# Answers are computed anew when they are older than this. (The usual setting is a minute;
# the demo wants to be seen living.)
[clips]
fresh_for_s = 10

# The product's own database, or rather its read-only follower. Turnout copies the columns
# named here, and nothing else: e-mail addresses and names of people stay where they are.
# The role it signs in as could not even read them.
[sources.app]
url = "{source_url}"
schema = "userdata"
every_s = 15

{tables}"""

# What is said of tables about people, besides their columns.
SAID = {
    "person": """\
person = "uuid"  # whom a row is about: `turnout source forget` erases by it
personal = { city = "Whole cities of a pretend company; nobody is told by one." }
""",
    "companyperson": 'person = "person_uuid"\n',
}


def write_settings(home: Path, source_url: str, ports: tuple[int, int] = PORTS) -> None:
    """Write the file if it is missing; else only keep the follower's address in it true.

    `ports` of pages and collector are wishes; 0 wishes for any.
    """
    path = home / FILE_NAME
    if not path.exists():
        path.touch(mode=0o600)  # it holds a password
        path.write_text(_text(source_url, ports), encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    true = FOLLOWER.sub(lambda _: f'url = "{source_url}"', text)
    if true != text:
        path.write_text(true, encoding="utf-8")


def _text(source_url: str, ports: tuple[int, int]) -> str:
    web_port = _free_port(ports[0])
    return TEXT.format(
        web_port=web_port,
        collector_port=_free_port(ports[1], taken=web_port),
        source_url=source_url,
        tables="\n".join(map(_table, SELECTION)),
    )


def _table(table: str) -> str:
    columns = ", ".join(f'"{column}"' for column in SELECTION[table])
    return f"[sources.app.tables.{table}]\ncolumns = [{columns}]\n{SAID.get(table, '')}"


def _free_port(wish: int, taken: int = 0) -> int:
    """`wish` when nobody listens there, else any port that is free now."""
    for port in (wish, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found != taken:
                return found
    return _free_port(0, taken)
