"""Every version of a row: `<table>_history` says from when until when it held.

It has the copied table's key and its tracked columns, `valid_from`, `valid_to` and `assumed`. A
version holds from `valid_from` on and no longer at `valid_to`; the one that holds now ends at
`OPEN_END`, never NULL, so that a join as of any instant is a hash join. Per key no two versions
overlap. `assumed` marks a version that may have begun otherwise than it says: the first that was
ever seen of a row is taken to hold since its `created_at`, or since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from turnout.sync.selection import SelectedTable
from turnout.warehouse import Dialect, Table, Transaction

OPEN_END = datetime(9999, 12, 31, tzinfo=UTC)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class History:
    """The history of a copied table: both tables, and what begins a new version."""

    dialect: Dialect
    copied: Table
    table: Table
    tracked: tuple[str, ...]
    created_at: str = ""


def history_of(dialect: Dialect, copied: Table, selected: SelectedTable) -> History | None:
    """The history of `copied` (its key must be set), where the selection asks for one.

    Raises `ConfigError` when it cannot be kept.
    """
    raise NotImplementedError


def from_copy(
    transaction: Transaction,
    history: History,
    staged: Table,
    at: datetime,
    *,
    whole: bool,
) -> None:
    """Versions out of the rows in the warehouse table `staged`, as they were `at` that instant.

    With `whole` they are all rows there are: those that are missing have gone.
    """


def from_deletes(transaction: Transaction, history: History, keys: Table, at: datetime) -> None:
    """Close the versions of rows whose keys are not in the warehouse table `keys`."""


def from_changes(transaction: Transaction, history: History, staged: Table) -> None:
    """Versions out of changes in the warehouse table `staged`, each at its commit.

    It has `_op`, `_order` and `_at` as `source.Changes` says, and the copied table's columns,
    treated and with no unchanged value left out. Every change that changes something begins a
    version; of those with one commit time the last counts. A change from before the open
    version's beginning (a log read twice) counts from that beginning on.
    """
