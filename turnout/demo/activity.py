"""What people do: the calls their SDK makes, day by day, each with the dirt of real life.

Every person's day draws from a stream of its own, so any stretch of time can be told by itself,
in order, without telling what came before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from turnout.demo import chance
from turnout.demo.clock import local_time, midnight, settle
from turnout.demo.customers import Membership, Person
from turnout.demo.places import PLACES
from turnout.demo.world import World

SATURDAY = 5
WEEKEND_PULL = 0.07
# Free people come less often than paying ones.
PLAN_PULL = {"free": 0.7, "team": 0.95, "pro": 1.0, "enterprise": 1.0}
STEPS_MEAN = 3.5
VISITORS_PER_DAY = 14
# Zones ahead of UTC begin a date this much earlier than UTC does.
AHEAD = timedelta(hours=14)
DAY = timedelta(days=1)

# Shares of deliveries, or of moments.
LATE = 0.012
REPEATED = 0.008
SIGNS_IN = 0.7
IDENTIFIED_AGAIN = 0.12
GROUPED_AGAIN = 0.06
COMES_BACK_SAME_DAY = 0.3
CAME_BEFORE_SIGN_UP = 0.5
LATE_S_MAX = 3 * 86400
AGAIN_S_MAX = 6 * 3600


@dataclass(frozen=True, slots=True)
class Event:
    """One call of an SDK. `properties` are the traits of an identify or group call.

    `late_s` after `at` it is delivered, `again_s` later (0 = never) delivered once more.
    `reason` is why a collector must reject it, None for all but a few.
    """

    message_id: str
    type: str
    at: datetime
    user_id: str | None
    anonymous_id: str | None
    name: str
    group_id: str | None
    properties: Mapping[str, Any]
    context: Mapping[str, Any]
    late_s: int = 0
    again_s: int = 0
    skew_s: int = 0
    reason: str | None = None


def events(world: World, start: datetime, end: datetime) -> Iterator[Event]:
    """Everything that happens in [start, end), in time order."""
    waiting: list[Event] = []
    day = (start - DAY).date() - DAY
    while midnight(day) - AHEAD < end:
        waiting += day_events(world, day)
        # Later dates begin at this instant at the earliest, wherever.
        final = min(midnight(day) + DAY - AHEAD, end)
        yield from sorted((event for event in waiting if start <= event.at < final), key=_order)
        waiting = [event for event in waiting if event.at >= final]
        day += DAY


def day_events(world: World, day: date) -> Iterator[Event]:
    """All that begins on `day` on the clocks of whoever does it; in no order."""
    for person in world.people:
        yield from person_day(world, person, day)
    for number in range(VISITORS_PER_DAY):
        yield from _visitor(world, day, number)
    yield from _broken_script(world, day)


def comes(world: World, person: Person, day: date) -> bool:
    """Whether the person uses the product on that local date at all."""
    if day < person.signs_up_on or (person.stops_at and person.stops_at.date() + DAY < day):
        return False
    chosen = chance.share(world.seed, "comes", person.key, day.toordinal())
    habit = person.habit * (WEEKEND_PULL if day.weekday() >= SATURDAY else 1.0)
    if chosen >= habit or person.comes_every_day or not person.memberships:
        return chosen < habit
    noon = local_time(day, 12, person.place)
    return chosen < habit * max(PLAN_PULL[m.company.plan(noon)] for m in person.memberships)


def person_day(world: World, person: Person, day: date) -> Iterator[Event]:
    """One person's calls of one local date: signing up if it is that day, then using."""
    signs_up = person.signs_up_on == day
    if not signs_up and not comes(world, person, day):
        return
    diary = _Diary(world, person, day)
    if signs_up:
        diary.sign_up()
    else:
        diary.visit()
        if diary.random.random() < COMES_BACK_SAME_DAY:
            diary.visit()
    for event in diary.events:
        is_known = event.at >= person.created_at or event.user_id is None
        if is_known and (person.stops_at is None or event.at < person.stops_at):
            yield event


class _Diary:
    """Collects one person's calls of one day. Draws only from that day's own stream."""

    def __init__(self, world: World, person: Person, day: date) -> None:
        self.events: list[Event] = []
        self.random = chance.stream(world.seed, "day", person.key, day.toordinal())
        self._world = world
        self._person = person
        self._day = day

    def sign_up(self) -> None:
        """An anonymous look around, the sign-up itself, then identify, group and a first visit."""
        person = self._person
        at = person.created_at
        if person.campaign or self.random.random() < CAME_BEFORE_SIGN_UP:
            for name, minutes in (("Home", 9), ("Pricing", 6), ("Sign up", 2)):
                self._page(settle(at - timedelta(minutes=minutes)), name, is_known=False)
        place = person.place
        membership = next(iter(person.membership(at)), None)
        is_invited = membership is not None and not person.is_founder
        properties = {"city": place.city, "country": place.country, "invited": is_invited}
        self._add("track", at, "Signed Up", properties, membership)
        self._identify(at)
        if membership:
            self._group(at, membership)
        self._steps(at + timedelta(seconds=self.random.randint(20, 90)), membership)

    def visit(self) -> None:
        """One sitting at some hour of the working day, in one of the person's companies."""
        hour = self.random.triangular(7.5, 19, 10.5)
        at = local_time(self._day, hour, self._person.place)
        there = self._person.membership(at)
        if self._person.memberships and not there:
            return  # their company has closed
        membership = self.random.choice(there) if there else None
        if self.random.random() < SIGNS_IN:
            method = self.random.choice(("password", "password", "sso"))
            self._add("track", at, "Signed In", {"method": method}, membership)
        if self.random.random() < IDENTIFIED_AGAIN:
            self._identify(at)
        if membership and self.random.random() < GROUPED_AGAIN:
            self._group(at, membership)
        self._page(at, "Dashboard")
        self._steps(at, membership)

    def _steps(self, at: datetime, membership: Membership | None) -> None:
        legacy_until = self._person.legacy_until
        day_number = (self._day - self._world.history_start.date()).days
        for _ in range(1 + round(self.random.expovariate(1 / (STEPS_MEAN - 1)))):
            at += timedelta(seconds=self.random.randint(8, 240))
            name, properties = step(self.random, day_number, membership)
            if name == "Exported Report" and legacy_until and at < legacy_until:
                name, properties = "Legacy Export Used", {"format": "xls", "version": "v1"}
            self._add("track", at, name, properties, membership)

    def _identify(self, at: datetime) -> None:
        place = self._person.place
        traits = {
            "created_at": self._person.created_at.isoformat(),
            "city": place.city,
            "country": place.country,
            "locale": place.locale,
        }
        self._add("identify", at, "", traits, None)

    def _group(self, at: datetime, membership: Membership) -> None:
        company = membership.company
        traits = {
            "name": company.name,
            "industry": company.industry,
            "country": company.place.country,
            "employees": company.size,
        }
        self._add("group", at, "", traits, membership)

    def _page(self, at: datetime, name: str, *, is_known: bool = True) -> None:
        event = page(self._message_id(), at, name, self._person.anonymous_id)
        context = {} if is_known else campaign_of(self._person)
        user_id = str(self._person.uuid) if is_known else None
        self.events.append(replace(event, user_id=user_id, context=context))

    def _add(
        self,
        type_: str,
        at: datetime,
        name: str,
        properties: Mapping[str, Any],
        membership: Membership | None,
    ) -> None:
        person = self._person
        group_id = str(membership.company.uuid) if membership else None
        # Only these come from the browser; the others from the product's own server.
        is_browser = type_ == "identify" or name == "Signed Up"
        context = context_of(person, group_id)
        self.events.append(
            Event(
                message_id=self._message_id(),
                type=type_,
                at=settle(at),
                user_id=str(person.uuid),
                anonymous_id=person.anonymous_id if is_browser else None,
                name=name,
                group_id=group_id,
                properties=properties,
                context=context | campaign_of(person) if name == "Signed Up" else context,
                late_s=self._seconds(LATE, LATE_S_MAX),
                again_s=self._seconds(REPEATED, AGAIN_S_MAX),
                skew_s=person.skew_s,
            )
        )

    def _seconds(self, share: float, seconds_max: int) -> int:
        return self.random.randint(30, seconds_max) if self.random.random() < share else 0

    def _message_id(self) -> str:
        key = (self._person.key, self._day.toordinal(), len(self.events))
        return str(chance.uuid(self._world.seed, "message", *key))


def context_of(person: Person, group_id: str | None) -> dict[str, Any]:
    """What an SDK is told about the browser and the account of a call."""
    context: dict[str, Any] = {
        "locale": person.place.locale,
        "timezone": person.place.zone_name,
    }
    return context | {"groupId": group_id} if group_id else context


def campaign_of(person: Person) -> dict[str, Any]:
    """The campaign that brought them, as an SDK's context has it."""
    return {"campaign": {"name": person.campaign, "source": "web"}} if person.campaign else {}


def step(
    random_: random.Random, day_number: int, membership: Membership | None
) -> tuple[str, dict[str, Any]]:
    """One thing done in the product: the event's name and its properties."""
    name = random_.choices(*_MENU)[0]
    if name == "Invited Teammate" and (membership is None or membership.role != "admin"):
        name = "Viewed Dashboard"
    return name, _PROPERTIES[name](random_, day_number)


def page(message_id: str, at: datetime, name: str, anonymous_id: str) -> Event:
    """Somebody's browser shows a page."""
    path = "/" + name.lower().replace(" ", "-")
    properties = {"path": path, "url": f"https://app.turnout.example{path}", "title": name}
    return Event(message_id, "page", at, None, anonymous_id, name, None, properties, {})


def _viewed_dashboard(random_: random.Random, day_number: int) -> dict[str, Any]:
    seen = {"dashboard": random_.choice(("Overview", "Sales", "Team", "Costs")), "tiles": 6}
    # Half-way through the history a new property appears.
    return seen | {"theme": random_.choice(("light", "dark"))} if day_number >= 30 else seen  # noqa: PLR2004


def _exported_report(random_: random.Random, _day_number: int) -> dict[str, Any]:
    rows: object = random_.randint(1, 40) * 25
    # An older version of the app says it in words: a value that does not fit its column.
    if random_.random() < 0.02:  # noqa: PLR2004
        rows = "all"
    return {"format": random_.choice(("csv", "csv", "pdf", "xlsx")), "rows": rows}


def _searched(random_: random.Random, _day_number: int) -> dict[str, Any]:
    # Whole numbers at first, a fraction now and then: the column widens.
    took_ms: float = random_.randint(4, 300)
    if took_ms % 9 == 0:
        took_ms += 0.5
    return {"results": random_.randint(0, 60), "took_ms": took_ms}


def _pressed_big_button(random_: random.Random, _day_number: int) -> dict[str, Any]:
    return {"place": random_.choice(("header", "sidebar", "empty page")), "presses": 1}


_PROPERTIES: Mapping[str, Callable[[random.Random, int], dict[str, Any]]] = {
    "Viewed Dashboard": _viewed_dashboard,
    "Exported Report": _exported_report,
    "Searched": _searched,
    "Pressed Big Button": _pressed_big_button,
    "Created Project": lambda random_, _: {"template": random_.choice(("blank", "launch", "team"))},
    "Commented": lambda random_, _: {"length": random_.randint(2, 400)},
    "Shared Link": lambda random_, _: {"with_password": random_.random() < 0.2},  # noqa: PLR2004
    "Invited Teammate": lambda random_, _: {"role": random_.choice(("member", "viewer"))},
}
_MENU: tuple[Sequence[str], Sequence[float]] = (
    tuple(_PROPERTIES),
    (30, 12, 18, 9, 7, 10, 5, 2),
)


def _visitor(world: World, day: date, number: int) -> Iterator[Event]:
    """Somebody who looks around and never signs up."""
    key = ("visitor", day.toordinal(), number)
    random_ = chance.stream(world.seed, *key)
    if random_.random() < 0.4:  # noqa: PLR2004 - fewer on some days than on others
        return
    at = local_time(day, random_.triangular(6, 24, 15), random_.choice(PLACES))
    anonymous_id = str(chance.uuid(world.seed, "browser", *key))
    for seen, name in enumerate(("Home", "Features", "Pricing")[: random_.randint(1, 3)]):
        message_id = str(chance.uuid(world.seed, "message", *key, seen))
        yield page(message_id, settle(at + timedelta(minutes=seen)), name, anonymous_id)


def _broken_script(world: World, day: date) -> Iterator[Event]:
    """A customer's own script, with a variable left empty now and then: invalid calls."""
    key = ("script", day.toordinal())
    random_ = chance.stream(world.seed, *key)
    for number in range(random_.choice((0, 0, 1, 1, 2))):
        at = settle(midnight(day) + timedelta(seconds=random_.randrange(86400)))
        user_id = str(chance.uuid(world.seed, "script user"))
        message_id = str(chance.uuid(world.seed, "message", *key, number))
        broken = Event(message_id, "track", at, user_id, None, "", None, {}, {})
        if random_.random() < 0.5:  # noqa: PLR2004 - one mistake or the other
            yield replace(broken, reason="missing_event")
        else:
            yield replace(broken, name="Ran Script", user_id=" ", reason="no_user_anon_id")


def _order(event: Event) -> tuple[datetime, str]:
    return event.at, event.message_id
