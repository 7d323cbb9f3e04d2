"""What a user can do beyond what the selection needs, and what the server is: as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from turnout import config
from turnout.sync.mysql.catalogue import Catalogue
from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.grants import account, grants, new_user
from turnout.sync.mysql.names import qualified, quoted
from turnout.sync.mysql.requirements import log_missing
from turnout.sync.mysql.standing import Standing, unfit
from turnout.sync.selection import SelectedTable

# So many names are listed in one sentence.
NAMES_MAX = 12
EVERYWHERE = "*.*"
GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<on>.+?) TO ", re.DOTALL)
# One right, with its columns if it is for some only. Within backticks anything may stand.
RIGHT = re.compile(r"(?P<name>[A-Z][A-Z _]*[A-Z])(?: \((?P<columns>(?:`(?:[^`]|``)*`[, ]*)+)\))?")
COLUMN = re.compile(r"`((?:[^`]|``)*)`")
ADMINISTRATORS = {"ALL PRIVILEGES", "SUPER", "CREATE USER"}
# To see how far a follower is, and which transactions are open.
WATCHING = {"USAGE", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR"}
REPLICATING = {"REPLICATION SLAVE", "REPLICATION REPLICA"}
READING = {"SELECT", "USAGE", "SHOW VIEW"}


@dataclass(frozen=True, slots=True)
class Granted:
    """Rights on one thing: `*.*`, a database's tables, or a table; each with its columns, if any.

    The same right may be there for the whole of a table and for some columns besides.
    """

    on: str
    rights: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def names(self) -> set[str]:
        """The rights, whatever columns they are for."""
        return {name for name, _ in self.rights}


def read_granted(session: Session) -> list[Granted]:
    """What the server says our user was granted."""
    found = (GRANT.match(line) for (line,) in session.rows("SHOW GRANTS"))
    return [Granted(match["on"], _rights(match["rights"])) for match in found if match]


def more_than_needed(
    session: Session, catalogue: Catalogue, selection: Sequence[SelectedTable]
) -> Iterator[str]:
    """Every right of the user that copying does not need."""
    user = catalogue.user
    granted = read_granted(session)
    everywhere = {name for each in granted if each.on == EVERYWHERE for name in each.names}
    if everywhere & ADMINISTRATORS:
        yield (
            f"The user '{user}' is an administrator: it can read and change everything. Make one "
            f"that reads only the selection: {_new_user(selection, catalogue.database)}"
        )
        return
    reads_log = any(table.settings.mode == "log" for table in selection)
    if everywhere & REPLICATING and not reads_log:
        yield (
            f"The user '{user}' may replicate, and so read every column of every table. "
            f"Run on the leader: REVOKE REPLICATION SLAVE ON *.* FROM {account(user)};"
        )
    yield from _changes(user, granted)
    yield from _other_tables(catalogue, selection)
    for table in selection:
        yield from _other_columns(catalogue, table, granted)


def about_tables(catalogue: Catalogue, selection: Sequence[SelectedTable]) -> Iterator[str]:
    """What a reader should know of the tables themselves."""
    for table in selection:
        found = catalogue.get(table)
        if found is not None and not found.is_consistent:
            yield (
                f"The table '{table.label}' is stored by {found.engine}, which has no snapshots: "
                "what is written while it is copied may arrive in part."
            )


def about_server(session: Session, standing: Standing, source: config.Source) -> Iterator[str]:
    """What a reader should know of the server itself."""
    address = session.address
    problem = unfit(standing, address, source.lag_max_s)
    if problem is not None:
        yield str(problem)
    if not source.accept_leader and standing.is_follower is False:
        yield f"{address.place} is not a follower: copies add to the load of the leader itself."
    if not source.accept_leader and standing.is_follower is None:
        right = "SLAVE MONITOR" if session.server.is_mariadb else "REPLICATION CLIENT"
        user = account(session.value("SELECT current_user()"))
        yield (
            f"Whether {address.place} is a follower, and how far behind, its user may not ask. "
            f"Run on the leader: GRANT {right} ON *.* TO {user};"
        )
    if address.ssl_mode in ("REQUIRED", "VERIFY_CA"):
        yield (
            f"{address.place} is reached without a look at who answers. "
            "Write ssl-mode=VERIFY_IDENTITY in its url."
        )
    if any(selection.mode == "log" for selection in source.tables.values()):
        yield from log_missing(session, standing, source)


def _changes(user: str, granted: Sequence[Granted]) -> Iterator[str]:
    for each in granted:
        allowed = READING | (WATCHING | REPLICATING if each.on == EVERYWHERE else set())
        more = sorted(each.names - allowed)
        if more:
            yield (
                f"The user '{user}' may do more than read: {', '.join(more)} on {each.on}. "
                f"Run on the leader: REVOKE {', '.join(more)} ON {each.on} FROM {account(user)};"
            )


def _other_tables(catalogue: Catalogue, selection: Sequence[SelectedTable]) -> Iterator[str]:
    selected = {(table.schema, table.name) for table in selection}
    readable = [found.label for key, found in catalogue.tables.items() if key not in selected]
    if readable:
        yield f"The user '{catalogue.user}' can also read tables not selected: {_listed(readable)}."


def _other_columns(
    catalogue: Catalogue, table: SelectedTable, granted: Sequence[Granted]
) -> Iterator[str]:
    found = catalogue.get(table)
    if found is None:
        return
    extra = [
        name
        for name, column in found.columns.items()
        if column.may_read and name not in table.columns
    ]
    if extra:
        names = _listed([f"{table.label}.{name}" for name in extra])
        statements = " ".join(_narrowing(catalogue, table, extra, granted))
        yield (
            f"The user '{catalogue.user}' can also read columns not selected: {names}. "
            f"Run on the leader: {statements}"
        )


def _narrowing(
    catalogue: Catalogue,
    table: SelectedTable,
    extra: Sequence[str],
    granted: Sequence[Granted],
) -> Iterator[str]:
    """Statements that leave the user only the selected columns.

    A right to the whole table, or to all tables, covers every column, so it goes first.
    """
    name = qualified(table, catalogue.database)
    around = (EVERYWHERE, f"{name.rpartition('.')[0]}.*", name)
    user = account(catalogue.user)
    for each in granted:
        for right, columns in each.rights if each.on in around else ():
            named = ", ".join(quoted(column) for column in columns if column in extra)
            if right == "SELECT" and not columns:
                yield f"REVOKE SELECT ON {each.on} FROM {user};"
            elif right == "SELECT" and named:
                yield f"REVOKE SELECT ({named}) ON {each.on} FROM {user};"
    yield from grants([table], catalogue.user, catalogue.database)


def _rights(said: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (match["name"], tuple(map(_bare, COLUMN.findall(match["columns"] or ""))))
        for match in RIGHT.finditer(said)
    )


def _bare(name: str) -> str:
    return name.replace("``", "`")


def _new_user(selection: Sequence[SelectedTable], database: str) -> str:
    return " ".join([new_user("turnout"), *grants(selection, "turnout", database)])


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_MAX
    return ", ".join(sorted(names)[:NAMES_MAX]) + (f" and {rest} more" if rest > 0 else "")
