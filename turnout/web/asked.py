"""What a visit asks of a clip: the values of its parameters, chosen, pinned or by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from turnout.clips.clip import Clip
from turnout.clips.parameters import Chosen, Parameter, Question, chosen, declared, question
from turnout.errors import BadRequest, NotFound, QueryFailed, TurnoutError
from turnout.web.visit import Visit

# So many values of another clip are offered to choose from.
OPTIONS_MAX = 1_000

Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A clip's parameters as this visit may choose them; no question while a value is missing.

    `query` is how an address says the same, without the question mark.
    """

    parameters: tuple[Parameter, ...]
    picked: Chosen
    question: Question | None
    query: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters)

    def to(self, address: str) -> str:
        """`address` with the same values."""
        return f"{address}?{self.query}" if self.query else address


async def asked_of(visit: Visit, clip: Clip, pinned: Texts | None = None) -> Asked:
    """What the address of this visit asks of `clip`.

    Raises `BadRequest` for values that do not fit, `QueryFailed` when a pinned one has lost its
    place: without it the answer would show what the link was to keep back.
    """
    given = {
        name: visit.query_params.getall(name)
        for name in visit.query_params
        if not name.startswith("_")
    }
    return await read_asked(visit, clip.sql, given, pinned or {})


async def read_asked(visit: Visit, sql: str, given: Texts, pinned: Texts) -> Asked:
    """The same for any SQL and any texts."""
    parameters = declared(sql)
    free = tuple(parameter for parameter in parameters if parameter.name not in pinned)
    picked = chosen(free, given)
    options = {each.name: await _options(visit, each) for each in parameters if each.clip}
    texts = {**picked.texts, **{name: tuple(value) for name, value in pinned.items()}}
    full = replace(picked, texts=texts, options=options)
    _check_pins(visit, sql, parameters, pinned, full)
    posed = None if full.missing else question(sql, parameters, full, today=visit.now.date())
    told = [(name, text) for name, texts in given.items() for text in texts if text]
    return Asked(free, full, posed, urlencode(told))


async def offered(visit: Visit, clip: Clip) -> Asked:
    """The clip's parameters with nothing chosen, to fix some of them in a link."""
    parameters = declared(clip.sql)
    options = {each.name: await _options(visit, each) for each in parameters if each.clip}
    return Asked(parameters, Chosen({}, parameters, options), None, "")


async def check_pins(visit: Visit, clip: Clip, pins: Texts) -> None:
    """Raise `BadRequest` unless each of `pins` is a value that its parameter may have."""
    everything = await offered(visit, clip)
    if unknown := sorted(set(pins) - everything.names):
        raise BadRequest(f"This clip has no parameter '{unknown[0][:60]}'.")
    texts = {name: tuple(value) for name, value in pins.items()}
    picked = replace(everything.picked, texts=texts, missing=())
    pinned = tuple(each for each in everything.parameters if each.name in pins)
    question(clip.sql, pinned, picked, today=visit.now.date())


def complete(asked: Asked) -> Question:
    """The question. Raises `BadRequest` naming the value that is missing."""
    if asked.question is None:
        name = asked.picked.missing[0].name
        raise BadRequest(
            f"'{name}' needs a value.", hint=f"Add ?{name}=… to the address, or choose on the page."
        )
    return asked.question


def _check_pins(
    visit: Visit, sql: str, parameters: Sequence[Parameter], pins: Texts, picked: Chosen
) -> None:
    """Raise `QueryFailed` when a pinned value has no place any more, or no longer fits it."""
    pinned = tuple(parameter for parameter in parameters if parameter.name in pins)
    try:
        posed = question(sql, pinned, replace(picked, missing=()), today=visit.now.date())
    except BadRequest as error:
        # What may be chosen instead is nothing for whoever holds the link.
        raise QueryFailed(f"A value that the link fixes does not fit: {error.message}") from None
    bound = {name for name, _ in posed.values}
    places = {parameter.name: set(parameter.places) for parameter in pinned}
    for name in pins:
        if not places.get(name) or not places[name] <= bound:
            raise QueryFailed(f"The query no longer uses '{name}', which the link fixes.")


async def _options(visit: Visit, parameter: Parameter) -> tuple[str, ...]:
    """The first column of the clip's answer that the parameter names."""
    try:
        clip = visit.rooms.clips.find(parameter.clip)
        source = await read_asked(visit, clip.sql, {}, {})
        if source.question is None:
            raise QueryFailed("It needs a value itself.")
        result = await visit.rooms.answers.answer(source.question, key=answer_key(clip))
    except NotFound:
        raise QueryFailed(
            f"'{parameter.name}' takes its choices from the clip '{parameter.clip}', "
            "which is not there."
        ) from None
    except TurnoutError as error:
        raise QueryFailed(
            f"'{parameter.name}' takes its choices from the clip '{parameter.clip}', "
            f"which has no answer: {error.message}"
        ) from None
    rows = result.rows(OPTIONS_MAX)
    return tuple(dict.fromkeys(str(row[0]) for row in rows if row and row[0] is not None))


def answer_key(clip: Clip) -> str:
    """What an answer is kept under: one version of one clip."""
    return f"{clip.id}-{clip.version}"
