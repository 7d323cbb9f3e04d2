"""Traits that come in the context of an identify call, as RudderStack's libraries send them."""

from __future__ import annotations

from turnout.events.engine import Engine

MEMBERS = "'\"MAP(VARCHAR, JSON)\"'"


def gather(engine: Engine) -> None:
    """In the table `message`, lay `context.traits` under the traits of each identify call.

    A trait that is in both has the call's own value. Other calls' contexts are left alone: what a
    library repeats there is no news about anybody.
    """
    engine.execute(
        "UPDATE message SET part = to_json(map_concat("
        f"from_json(json_extract(context, '/traits'), {MEMBERS}), from_json(part, {MEMBERS}))) "
        "WHERE type = 'identify' AND contains(context, '\"traits\":{\"') "
        "AND json_type(context, '/traits') = 'OBJECT'"
    )
