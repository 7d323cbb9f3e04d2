"""What each demo clip must answer, computed a second time from the simulated people themselves.

Plain loops over the world and over what was delivered. No SQL, no table, no line shared with
the clips: where the two agree, the whole way between them was right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

from turnout.demo.activity import Event
from turnout.demo.clock import local_day
from turnout.demo.customers import Company, Membership, Person
from turnout.demo.world import World

Rows: TypeAlias = list[tuple[Any, ...]]

FRIDAY = 4
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The expected fields and rows; `is_ordered` when the clip says in which order."""

    fields: tuple[str, ...]
    rows: Rows
    is_ordered: bool = True


class Truth:
    """The world as the product knew it at `at`, and the events that had arrived by then."""

    def __init__(self, world: World, at: datetime, delivered: Iterable[Event]) -> None:
        """`delivered` may repeat events and hold invalid ones: they count once, or not at all."""
        self._at = at
        self._companies = [company for company in world.companies if company.created_at <= at]
        self._people = [person for person in world.people if person.created_at <= at]
        self._members: dict[tuple[str | None, str | None], tuple[Person, Membership]] = {}
        for person in self._people:
            for membership in person.memberships:
                if membership.joined_at <= at:
                    pair = (str(person.uuid), str(membership.company.uuid))
                    self._members[pair] = (person, membership)
        valid = {event.message_id: event for event in delivered if event.reason is None}
        self._tracks = [event for event in valid.values() if event.type == "track"]

    def answers(self, today: date) -> dict[str, Answer]:
        """Every clip's answer, when it is asked on `today` (UTC)."""
        computed: Mapping[str, Callable[[date], Answer]] = {
            "paidshare": self._paid_share,
            "admindaily": self._admin_daily,
            "adminworkdays": self._admin_workdays,
            "legacyexport": self._legacy_export,
            "signups": self._sign_ups,
            "signupburst": self._sign_up_burst,
            "topcustomer": self._top_customer,
            "bigbutton": self._big_button,
        }
        return {clip: compute(today) for clip, compute in computed.items()}

    def _paid_share(self, _today: date) -> Answer:
        customers = [company for company in self._companies if company.is_open(self._at)]
        paying = 0
        for company in customers:
            subscription = company.subscription(self._at)
            if subscription is not None and not subscription.is_trial:
                paying += 1
        row = (_percent(paying, len(customers)), paying, len(customers))
        return Answer(("percent_paying", "paying", "companies"), [row])

    def _admin_daily(self, today: date) -> Answer:
        came = {(company.uuid, day) for company, day, _ in self._admin_visits()}
        rows: Rows = []
        for days_ago in range(57, 1, -1):
            day = today - days_ago * DAY
            customers = [company for company in self._companies if self._was_customer(company, day)]
            active = sum((company.uuid, day) in came for company in customers)
            if customers:
                rows.append((day, _percent(active, len(customers))))
        return Answer(("day", "percent_of_companies"), rows)

    def _admin_workdays(self, today: date) -> Answer:
        days = _last_month(today)
        working_days = {day for day in days if day.weekday() <= FRIDAY}
        came: dict[int, set[date]] = defaultdict(set)
        who: dict[int, set[str]] = defaultdict(set)
        for company, day, person in self._admin_visits():
            if day in working_days:
                came[company.number].add(day)
                who[company.number].add(str(person.uuid))
        rows: Rows = []
        for company in sorted(self._companies, key=lambda company: str(company.uuid)):
            first, last = self._life(company)
            is_whole = first < days[0] and (last is None or last > days[-1])
            if is_whole and came[company.number] == working_days:
                plan = company.plan(self._at)
                people = len(who[company.number])
                rows.append((company.name, plan, people, len(working_days)))
        rows.sort(key=lambda row: (-row[2], row[0]))
        return Answer(("company", "plan", "administrators", "working_days"), rows)

    def _legacy_export(self, today: date) -> Answer:
        times: Counter[tuple[str | None, str | None]] = Counter()
        last: dict[tuple[str | None, str | None], datetime] = {}
        for event in self._in_last_days(today, 30):
            pair = (event.user_id, event.group_id)
            if event.name == "Legacy Export Used" and pair in self._members:
                times[pair] += 1
                last[pair] = max(last.get(pair, event.at), event.at)
        rows: Rows = []
        for pair, count in times.items():
            membership = self._members[pair][1]
            last_used = last[pair].date().isoformat()
            rows.append((membership.company.name, membership.role, count, last_used, *pair))
        rows.sort(key=lambda row: (-row[2], row[0], row[4], row[5]))
        fields = ("company", "role", "times_used", "last_used", "person_uuid", "company_uuid")
        return Answer(fields, rows)

    def _sign_ups(self, today: date) -> Answer:
        months = Counter(person.created_at.date().replace(day=1) for person in self._people)
        this_month = today.replace(day=1)
        a_year_ago = this_month.replace(year=this_month.year - 1)
        rows: Rows = [
            (month, count)
            for month, count in sorted(months.items())
            if a_year_ago <= month < this_month
        ]
        return Answer(("month", "sign_ups"), rows)

    def _sign_up_burst(self, today: date) -> Answer:
        fields = ("city", "sign_ups", "on_a_usual_day", "country", "campaigns", "burst_on")
        signed_up = [e for e in self._in_last_days(today, 30) if e.name == "Signed Up"]
        if not signed_up:
            return Answer(fields, [])
        per_day = Counter(event.at.date() for event in signed_up)
        burst_on = max(per_day, key=lambda day: (per_day[day], day))
        then: dict[tuple[str, str], list[Event]] = defaultdict(list)
        usually: Counter[tuple[str, str]] = Counter()
        for event in signed_up:
            place = (event.properties["city"], event.properties["country"])
            if event.at.date() == burst_on:
                then[place].append(event)
            else:
                usually[place] += 1
        rows: Rows = []
        for (city, country), events in then.items():
            campaigns = {
                event.context["campaign"]["name"] for event in events if "campaign" in event.context
            }
            usual = _half_up(Decimal(usually[city, country]) / 29)
            named = ", ".join(sorted(campaigns)) or None
            rows.append((city, len(events), usual, country, named, burst_on.isoformat()))
        rows.sort(key=lambda row: (-row[1], row[0]))
        return Answer(fields, rows)

    def _top_customer(self, today: date) -> Answer:
        members = Counter(
            membership.company.uuid
            for _, membership in self._members.values()
            if membership.company.is_open(self._at)
        )
        times: Counter[str] = Counter()
        people: dict[str, set[str | None]] = defaultdict(set)
        if members:
            largest = str(min(members, key=lambda uuid: (-members[uuid], str(uuid))))
            for event in self._in_last_days(today, 30):
                if event.group_id == largest:
                    times[event.name] += 1
                    people[event.name].add(event.user_id)
        rows: Rows = [(name, count, len(people[name])) for name, count in times.items()]
        rows.sort(key=lambda row: (-row[1], row[0]))
        return Answer(("feature", "times_used", "people"), rows)

    def _big_button(self, _today: date) -> Answer:
        companies: dict[str | None, list[str | None]] = defaultdict(list)
        for user_id, company in self._members:
            companies[user_id].append(company)
        rows: Rows = [
            (company,)
            for event in self._tracks
            if event.name == "Pressed Big Button"
            for company in companies[event.user_id]
        ]
        return Answer(("company_uuid",), rows, is_ordered=False)

    def _admin_visits(self) -> Iterator[tuple[Company, date, Person]]:
        """Each event of an administrator, with the day it was on the company's clock."""
        for event in self._tracks:
            member = self._members.get((event.user_id, event.group_id))
            if member is not None and member[1].role == "admin":
                company = member[1].company
                yield company, local_day(event.at, company.place), member[0]

    def _was_customer(self, company: Company, day: date) -> bool:
        first, last = self._life(company)
        return first <= day and (last is None or day <= last)

    def _life(self, company: Company) -> tuple[date, date | None]:
        """The company's first and last day on its own clock, as far as is known at `at`."""
        closed_at = company.closed_at
        is_closed = closed_at is not None and closed_at <= self._at
        return (
            local_day(company.created_at, company.place),
            local_day(closed_at, company.place) if closed_at and is_closed else None,
        )

    def _in_last_days(self, today: date, days: int) -> Iterator[Event]:
        """Events of that many complete UTC days before `today`."""
        for event in self._tracks:
            if today - days * DAY <= event.at.date() < today:
                yield event


def _last_month(today: date) -> list[date]:
    """The days of the month before yesterday's."""
    last = (today - DAY).replace(day=1) - DAY
    return [last.replace(day=number) for number in range(1, last.day + 1)]


def _percent(part: int, whole: int) -> Decimal | None:
    return _half_up(Decimal(100 * part) / whole) if whole else None


def _half_up(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.1"), ROUND_HALF_UP)
