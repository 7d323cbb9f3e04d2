"""What to do about a rejected event, or a value that did not fit: a sentence by reason."""

from __future__ import annotations

REJECTED = {
    "no_user_anon_id": "Give every call a userId or an anonymousId: without one nobody did it.",
    "missing_event": "A track call needs the name of its event: a text that is not empty.",
    "missing_type": "Say in each event of a batch what it is: "
    "track, identify, group, page, screen or alias.",
    "missing_group_id": "A group call needs a groupId: the account it speaks of.",
    "missing_previous_id": "An alias call needs a previousId: the id that was used until now.",
    "unknown_type": "Its type is none of track, identify, group, page, screen and alias.",
    "not_an_object": "The event itself, its properties, traits and context "
    "must each be a JSON object.",
    "too_large": "Send less in one event: long texts and lists belong elsewhere. "
    "Ids have at most 512 characters.",
    "too_deep": "It is nested too deeply: put what matters near the top.",
    "self_alias": "An alias joins two ids; this one names the same id twice. "
    "Call alias before identify.",
    "wrong_write_key": "The event names another write key than its request: send each by its own.",
    "not_json": "This line of the journal cannot be read; it may come from a damaged disk.",
    "not_loadable": "No table could take it. It is kept here and in the journal; "
    "a newer version of Turnout may load it.",
}
DISCARDED = {
    "not_a_number": "The column holds numbers. Send a number, or retype the column to text.",
    "not_an_integer": "The column holds whole numbers. Send one, or retype the column.",
    "not_a_boolean": "The column holds true and false. Send one of them, or retype the column.",
    "not_a_time": "The column holds times, such as 2026-11-21T09:30:00Z. Send one, or retype it.",
    "bad_timestamp": "The event's own time cannot be read; the time of its arrival stands instead.",
    "inexact": "The column holds floats, which cannot hold all digits of this number. "
    "Send it as a text, or retype the column to text.",
    "name_taken": "Two properties of the event have the same column; "
    "the one spelled like the column has it.",
}
UNKNOWN = "Nothing more is known about this reason."


def for_rejected(reason: str) -> str:
    """What the sender should change."""
    return REJECTED.get(reason, UNKNOWN)


def for_discarded(reason: str) -> str:
    """Why a value is in `_rescued` and not in its column, and what to change."""
    return DISCARDED.get(reason, UNKNOWN)
