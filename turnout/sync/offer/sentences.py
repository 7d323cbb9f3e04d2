"""What was seen of a server, in words."""

from __future__ import annotations

from collections.abc import Iterator

from turnout.sync.facts import ServerFacts
from turnout.sync.offer.offer import Offer, OfferedMembership

# Further behind than this, a follower's copy would surprise its readers.
LAG_WORTH_SAYING_S = 60.0
UNIT = 1024
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def about_server(facts: ServerFacts) -> str:
    """What it is, whose copy it is and how old: one line."""
    what = f"{facts.kind} {facts.version}, database {facts.database}, as {facts.role}"
    if facts.is_follower is None:
        return f"{what}."
    if not facts.is_follower:
        return f"{what}: the leader."
    behind = "lag unknown" if facts.lag_s is None else f"{facts.lag_s:.1f} s behind its leader"
    return f"{what}: a follower, {behind}."


def remarks(facts: ServerFacts) -> Iterator[str]:
    """What somebody who connects it should know."""
    if facts.is_follower is False:
        yield "Every copy adds to the leader's load. If it has a follower, connect that one."
    if facts.is_follower and facts.lag_s is None:
        yield "It does not say how far it is behind: it may not be replaying at all."
    if (facts.lag_s or 0) > LAG_WORTH_SAYING_S:
        yield "It is far behind its leader: what is copied from it is that old."
    if not facts.has_tls and not facts.is_local:
        yield "The connection is not encrypted. Add sslmode=verify-full to the url."
    yield from facts.remarks
    if facts.log_missing:
        yield "Changes cannot be followed as they happen: " + " ".join(facts.log_missing)


def because(offer: Offer, part: str) -> str:
    """Why a table is proposed for a part."""
    table = offer.part(part)
    for each in offer.candidates[part]:
        if table is not None and each.table is table.facts and each.reasons:
            return ", ".join(each.reasons)
    return "you said so"


def about_membership(membership: OfferedMembership) -> str:
    """Who belongs where, as it would be read."""
    times = {"since": membership.since, "until": membership.until}
    return (
        f"Who belongs to which account is read from {membership.table.name}: "
        f"{membership.user} belongs to {membership.account}"
        + "".join(f" {word} {column}" for word, column in times.items() if column)
        + "."
    )


def size(bytes_: int | None) -> str:
    """Bytes for people; nothing where nobody knows."""
    if bytes_ is None:
        return ""
    value = float(bytes_)
    for unit in UNITS:
        if value < UNIT or unit == UNITS[-1]:
            return f"{value:.0f} {unit}"
        value /= UNIT
    return ""
