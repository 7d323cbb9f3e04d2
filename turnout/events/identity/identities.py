"""Anonymous ids and their users: from every call that carries both, and from aliases.

An anonymous event belongs to the first user seen on its anonymous id at its time or later, else
to the last one before. Users who share a browser stay two users.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.identity import calls as said
from turnout.events.identity import tables
from turnout.events.identity.calls import Calls
from turnout.events.identity.desk import AMONG, Desk, Values
from turnout.events.identity.history import Change, History

# An anonymous id of more users is a kiosk's or a server's own, and says nothing about anyone.
USERS_MAX = 10
# So many anonymous ids has no person: something makes a new one for each event.
ANONYMOUS_IDS_MAX = 1_000

HISTORY = History(
    tables.IDENTITY_RUNS, ("anonymous_id",), "user_id", "anonymous_id", values_max=USERS_MAX
)
PAIRS = f"SELECT * FROM ({said.PAIRS}) ANTI JOIN left_out USING (user_id)"
# Until when a run decides: up to its last sighting, and the last run from there on.
SPANS = f"""
    SELECT anonymous_id, user_id, first_seen_at, last_seen_at,
        CASE WHEN NOT is_crowd THEN coalesce(
            lag(last_seen_at) OVER in_time + INTERVAL 1 MICROSECOND,
            TIMESTAMP '{tables.BEGINNING}') END AS since,
        CASE WHEN is_crowd THEN NULL
            WHEN lead(last_seen_at) OVER in_time IS NULL THEN TIMESTAMP '{tables.FOREVER}'
            ELSE last_seen_at + INTERVAL 1 MICROSECOND END AS until
    FROM (
        SELECT *, count(DISTINCT user_id) OVER (PARTITION BY anonymous_id) > {USERS_MAX}
            AS is_crowd
        FROM runs
    ) WINDOW in_time AS (PARTITION BY anonymous_id ORDER BY last_seen_at, user_id)
"""


def note_identities(desk: Desk, calls: Calls) -> None:
    """Add what the `calls` say about anonymous ids to `identity_runs`."""
    calls = calls.beside(left_out=desk.all(tables.LEFT_OUT_USERS))
    change = HISTORY.change(desk, calls, PAIRS, lambda ids: _remembered(desk, ids))
    if change is not None:
        _write(desk, change)
        _leave_out(desk, change)


def _remembered(desk: Desk, anonymous_ids: pa.Array) -> pa.Table:
    calls = desk.remembered(("anonymous_id", "previous_id"), anonymous_ids)
    return calls.beside(left_out=desk.all(tables.LEFT_OUT_USERS)).table(PAIRS)


def _write(desk: Desk, change: Change) -> None:
    single = change.single
    for name, time in (("since", tables.BEGINNING), ("until", tables.FOREVER)):
        always = pa.repeat(pa.scalar(time, pa.timestamp("us")), single.num_rows)
        single = single.append_column(name, always)
    runs = change.parted
    parted = desk.engine.table(SPANS, runs=runs) if runs.num_rows else single.slice(0, 0)
    HISTORY.write(desk, replace(change, single=single, parted=parted))


def _leave_out(desk: Desk, change: Change) -> None:
    """Forget whoever has come to have too many anonymous ids, now and for all times."""
    suspects = _with_many_rows(desk, _new_users(desk, change))
    if not suspects.num_rows:
        return
    theirs = desk.among(tables.IDENTITY_RUNS, "user_id", suspects["user_id"])
    users = desk.engine.table(
        "SELECT user_id FROM theirs GROUP BY user_id "
        f"HAVING count(DISTINCT anonymous_id) > {ANONYMOUS_IDS_MAX}",
        theirs=theirs,
    )
    if not users.num_rows:
        return
    desk.delete(tables.IDENTITY_RUNS, "user_id", users["user_id"])
    desk.transaction.append(tables.LEFT_OUT_USERS, users)
    ids = theirs.filter(pc.is_in(theirs["user_id"], value_set=users["user_id"].combine_chunks()))
    _learn_again(desk, pc.unique(ids["anonymous_id"]))


def _with_many_rows(desk: Desk, users: Values) -> pa.Table:
    """Those of `users` who have more runs than one may have anonymous ids: cheap, and rare."""
    return desk.transaction.execute(
        f"SELECT user_id FROM {desk.name(tables.IDENTITY_RUNS)} WHERE user_id {AMONG} "
        f"GROUP BY user_id HAVING count(*) > {ANONYMOUS_IDS_MAX}",
        [users.to_pylist()],
    )


def _new_users(desk: Desk, change: Change) -> Values:
    """Whose are the pairs that were not there before."""
    runs = pa.concat_tables([change.single, change.parted])
    if not change.before.num_rows:
        return pc.unique(runs["user_id"])
    new = desk.engine.table(
        "SELECT DISTINCT user_id FROM runs ANTI JOIN before USING (anonymous_id, user_id)",
        runs=runs,
        before=change.before,
    )
    return new["user_id"]


def _learn_again(desk: Desk, anonymous_ids: pa.Array) -> None:
    """Others' runs have become one where somebody left out had stood between them."""
    others = desk.among(tables.IDENTITY_RUNS, "anonymous_id", anonymous_ids)
    if others.num_rows:
        runs = HISTORY.again(desk, others, lambda ids: _remembered(desk, ids))
        _write(desk, Change(runs.slice(0, 0), runs, others))
