"""Who did it and for which account, by plain loops over all calls: no SQL, nothing shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from tests.events.identity.ledger import Call, at

Person: TypeAlias = tuple[bool, str]

USERS_MAX = 10
ILLEGAL = {"undefined", '"null"', "0"}


def answers(calls: Sequence[Call]) -> dict[str, tuple[str | None, str | None]]:
    """Of each call: the user who made it, and the account it belongs to."""
    return _World([_legal(call) for call in calls]).answers()


def _legal(call: Call) -> Call:
    names = ("user_id", "anonymous_id", "group_id", "context", "company", "previous_id")
    broken: dict[str, Any] = {name: None for name in names if getattr(call, name) in ILLEGAL}
    return replace(call, **broken)


class _World:
    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._aliases: dict[str, tuple[datetime, str]] = {}
        self._seen: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for call in calls:
            self._meet(call)
        self._deleted: dict[str, list[datetime]] = defaultdict(list)
        self._links: dict[tuple[Person, str], list[tuple[datetime, bool]]] = defaultdict(list)
        self._groups: dict[Person, list[tuple[datetime, str]]] = defaultdict(list)
        for call in calls:
            self._link(call)
        for (_, account), links in self._links.items():
            links += [(time, True) for time in self._deleted[account]]
            links.sort()

    def answers(self) -> dict[str, tuple[str | None, str | None]]:
        return {call.id: (self._user(call), self._account(call)) for call in self._calls}

    def _meet(self, call: Call) -> None:
        time = at(call.hour)
        if call.user_id and call.anonymous_id:
            self._seen[call.anonymous_id].append((time, call.user_id))
        if call.previous_id and call.user_id and call.previous_id != call.user_id:
            self._seen[call.previous_id].append((time, call.user_id))
            new = (time, call.user_id)
            self._aliases[call.previous_id] = max(new, self._aliases.get(call.previous_id, new))

    def _user(self, call: Call) -> str | None:
        if call.user_id:
            return self._merged(call.user_id)
        seen = sorted(self._seen.get(call.anonymous_id or "", []))
        if not seen or len({user for _, user in seen}) > USERS_MAX:
            return None
        later = [user for time, user in seen if time >= at(call.hour)]
        return self._merged(later[0] if later else seen[-1][1])

    def _merged(self, user: str) -> str:
        way: list[str] = [user]
        while way[-1] in self._aliases:
            following = self._aliases[way[-1]][1]
            if following in way:
                circle = way[way.index(following) :]
                return max(self._aliases[id_] for id_ in circle)[1]
            way.append(following)
        return way[-1]

    def _person(self, call: Call) -> Person | None:
        user = self._user(call)
        if user:
            return (False, user)
        return (True, call.anonymous_id) if call.anonymous_id else None

    def _link(self, call: Call) -> None:
        person, time = self._person(call), at(call.hour)
        if call.event == "account_deleted" and call.context:
            self._deleted[call.context].append(time)
            return
        if person is None:
            return
        if call.group_id:
            self._links[person, call.group_id].append((time, False))
            self._groups[person].append((time, call.group_id))
        elif call.context:
            has_left = call.event == "account_removed_user"
            self._links[person, call.context].append((time, has_left))
        if call.company:
            self._links[person, call.company].append((time, False))

    def _account(self, call: Call) -> str | None:
        explicit = call.group_id or call.context
        person = self._person(call)
        if explicit or person is None:
            return explicit
        time = at(call.hour)
        member_of = [
            account
            for (who, account), links in self._links.items()
            if who == person and self._is_member(links, time)
        ]
        if len(member_of) == 1:
            return member_of[0]
        called = sorted(group for group in self._groups[person] if group[0] <= time)
        return called[-1][1] if called and called[-1][1] in member_of else None

    def _is_member(self, links: Sequence[tuple[datetime, bool]], time: datetime) -> bool:
        before = [has_left for seen_at, has_left in links if seen_at <= time]
        return bool(before) and not before[-1]
