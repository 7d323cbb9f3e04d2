"""User ids that are others' former names: only an `alias` call says so.

Each id points to the one its newest alias names; ids are followed to the end. Where they go in a
circle, the newest alias of the circle is right. The ids that meet are a class: a new alias changes
its class and no other.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.identity.calls import ALIASES, Calls
from turnout.events.identity.desk import Desk
from turnout.events.identity.tables import USER_ALIASES, USER_MERGES

# Nobody changes names more often; followed no further.
STEPS_MAX = 100

MERGES = f"""
    WITH RECURSIVE step AS (
        SELECT previous_id AS id, max((last_seen_at, user_id)) AS taken
        FROM edges GROUP BY previous_id
    ), walk AS (
        SELECT id AS user_id, id, [id] AS path, [taken][:0] AS steps FROM step
        UNION ALL
        SELECT walk.user_id, taken[2], list_append(path, taken[2]), list_append(steps, taken)
        FROM walk JOIN step USING (id)
        WHERE NOT list_contains(path, taken[2]) AND len(steps) < {STEPS_MAX}
    ), finish AS (
        SELECT user_id, id, path, list_append(steps, taken) AS steps,
            CASE WHEN taken IS NOT NULL THEN list_position(path, taken[2]) END AS circle
        FROM walk LEFT JOIN step USING (id)
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY len(path) DESC) = 1
    )
    SELECT user_id, CASE WHEN circle IS NULL THEN id
        ELSE list_max(list_slice(steps, circle, len(steps)))[2] END AS resolved_user_id
    FROM finish WHERE resolved_user_id <> user_id
"""


def note_aliases(desk: Desk, calls: Calls) -> None:
    """Add what the `calls` say to `user_aliases`, and make the classes they touch again."""
    edges = calls.table(ALIASES)
    if not edges.num_rows:
        return
    _add(desk, edges)
    touched = pc.unique(pa.chunked_array([*edges["previous_id"].chunks, *edges["user_id"].chunks]))
    members = _classes(desk, touched)
    edges = desk.among(USER_ALIASES, "previous_id", members)
    merges = desk.engine.table(MERGES, edges=edges)
    desk.delete(USER_MERGES, "user_id", members)
    desk.transaction.merge(USER_MERGES, merges)


def _add(desk: Desk, edges: pa.Table) -> None:
    known = desk.among(
        USER_ALIASES,
        "previous_id",
        pc.unique(edges["previous_id"]),
    )
    rows = desk.engine.table(
        "SELECT previous_id, user_id, min(first_seen_at) AS first_seen_at, "
        "max(last_seen_at) AS last_seen_at FROM (FROM edges UNION ALL BY NAME FROM known) "
        "GROUP BY previous_id, user_id",
        edges=edges,
        known=known,
    )
    desk.transaction.merge(USER_ALIASES, rows)


def _classes(desk: Desk, ids: pa.Array) -> pa.Array:
    """All ids of the classes that `ids` are in, `ids` among them."""
    inner = desk.among(USER_MERGES, "user_id", ids)
    heads = pc.unique(pa.chunked_array([ids, *inner["resolved_user_id"].chunks]))
    outer = desk.among(USER_MERGES, "resolved_user_id", heads)
    return pc.unique(pa.chunked_array([heads, *outer["user_id"].chunks]))
