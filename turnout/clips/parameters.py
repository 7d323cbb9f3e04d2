"""What a reader may choose in a clip: declared above its SQL, bound as typed values, never as text.

    -- :plan    one of free, pro, team = pro
    -- :period  date range = last 30 days   When it happened
    SELECT … WHERE plan = :plan AND received_at >= :period_from AND received_at < :period_to

A line says the name, the type, a default after `=`, and after two blanks what to call it. Only
declared names are places for values; whatever else has a colon stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from turnout.clips.period import Period, read_date, read_period
from turnout.errors import BadRequest

PARAMETERS_MAX = 20
OPTIONS_MAX = 200
TEXT_CHARS_MAX = 1_000
NUMBER_CHARS_MAX = 40

# A value as it travels to the engine: its type's name and its text, or a list of texts.
Value: TypeAlias = tuple[str, str | tuple[str, ...]]
Values: TypeAlias = tuple[tuple[str, Value], ...]
NO_VALUES: Values = ()

TYPES = ("text", "number", "date", "date range", "yes or no", "one of", "many of")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
DECLARATION = re.compile(
    r"^[ \t]*--[ \t]*:(?P<name>\S+)[ \t]+"
    rf"(?P<type>{'|'.join(sorted(TYPES, key=len, reverse=True))})\b[ \t]*(?P<rest>[^\n]*)$",
    re.IGNORECASE,
)
LOOKS_DECLARED = re.compile(r"^[ \t]*--[ \t]*:(\S+)")
FROM_CLIP = re.compile(r"clip[ \t]+([a-z0-9-]+)", re.IGNORECASE)
# What a name inside is not a place for a value: texts, quoted names, comments, casts.
SKIPPED = (
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/"
    r"|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$|::"
)
YES = {"1": "true", "yes": "true", "true": "true", "0": "false", "no": "false", "false": "false"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of them. Options are listed, or are the first column of the answer of `clip`."""

    name: str
    type: str
    label: str
    default: tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    clip: str = ""

    @property
    def is_many(self) -> bool:
        return self.type == "many of"

    @property
    def places(self) -> tuple[str, ...]:
        """The names that SQL says for its values."""
        if self.type == "date range":
            return f"{self.name}_from", f"{self.name}_to"
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Question:
    """SQL with places for values (`$name`), and the values: what an answer is an answer to."""

    sql: str
    values: Values = NO_VALUES


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a form shows: per parameter the texts chosen, and the names still without any."""

    texts: Mapping[str, tuple[str, ...]]
    missing: tuple[Parameter, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def declared(sql: str) -> tuple[Parameter, ...]:
    """The parameters that the comments above the SQL declare.

    Raises `BadRequest` naming the line that cannot be understood.
    """
    found: dict[str, Parameter] = {}
    for line in head_of(sql)[0].splitlines():
        named = LOOKS_DECLARED.match(line)
        if named is None:
            continue
        parameter = _parameter(line, named[1])
        if parameter.name in found:
            raise BadRequest(f"The parameter '{parameter.name}' is declared twice.")
        found[parameter.name] = parameter
    places = [place for parameter in found.values() for place in parameter.places]
    if len(set(places)) < len(places):
        raise BadRequest("Two parameters need the same name in the SQL.", hint="Rename one.")
    if len(found) > PARAMETERS_MAX:
        raise BadRequest(f"A clip has at most {PARAMETERS_MAX} parameters.")
    return tuple(found.values())


def head_of(sql: str) -> tuple[str, str]:
    """The comment lines above the query, where parameters are declared, and the query."""
    lines = sql.splitlines(keepends=True)
    count = 0
    while count < len(lines) and (not lines[count].strip() or _is_comment(lines[count])):
        count += 1
    return "".join(lines[:count]), "".join(lines[count:])


def chosen(parameters: Sequence[Parameter], given: Mapping[str, Sequence[str]]) -> Chosen:
    """The texts that count: those given, else the defaults. An empty one is none.

    Raises `BadRequest` for a name that is not declared, or given twice where one is wanted.
    """
    names = {parameter.name for parameter in parameters}
    if unknown := sorted(set(given) - names):
        raise BadRequest(
            f"Nothing here is called '{unknown[0][:60]}'.",
            hint=f"There are: {', '.join(sorted(names))}." if names else None,
        )
    texts: dict[str, tuple[str, ...]] = {}
    for parameter in parameters:
        wanted = tuple(text for text in given.get(parameter.name, ()) if text.strip())
        if len(wanted) > 1 and not parameter.is_many:
            raise BadRequest(f"'{parameter.name}' is given more than once.")
        texts[parameter.name] = wanted or parameter.default or ()
    missing = tuple(parameter for parameter in parameters if not texts[parameter.name])
    return Chosen(texts, missing)


def question(
    sql: str,
    parameters: Sequence[Parameter],
    picked: Chosen,
    *,
    today: date,
) -> Question:
    """The SQL with its values bound. Raises `BadRequest` naming the value that does not fit."""
    if not parameters:
        return Question(sql)
    if picked.missing:
        raise BadRequest(
            f"'{picked.missing[0].name}' needs a value.",
            hint=f"Add ?{picked.missing[0].name}=… to the address, or choose it on the page.",
        )
    values: dict[str, Value] = {}
    for parameter in parameters:
        allowed = picked.options.get(parameter.name, parameter.options)
        values |= _values(parameter, picked.texts[parameter.name], allowed, today)
    places = _places(sql, set(values))
    return Question(placed(sql, set(values)), tuple((name, values[name]) for name in places))


def placed(sql: str, names: set[str]) -> str:
    """The SQL with `$name` where it says `:name`, as the engine writes places for values."""

    def put(match: re.Match[str]) -> str:
        return f"${match['place']}" if match["place"] else match[0]

    return _pattern(names).sub(put, sql)


def unplaced(sql: str, names: set[str]) -> str:
    """The other way round."""

    def put(match: re.Match[str]) -> str:
        return f":{match['place']}" if match["place"] else match[0]

    return _pattern(names, "$").sub(put, sql)


def _parameter(line: str, name: str) -> Parameter:
    match = DECLARATION.match(line)
    if match is None:
        raise BadRequest(
            f"The parameter ':{name[:40]}' has no type that is known here.",
            hint=f"Write -- :{name[:40]} and one of: {', '.join(TYPES)}.",
        )
    if not NAME.fullmatch(match["name"]):
        raise BadRequest(
            f"'{match['name'][:60]}' cannot be a parameter's name.",
            hint="Use small letters, digits and underscores, a letter first.",
        )
    type_ = match["type"].lower()
    rest, _, label = match["rest"].strip().partition("  ")
    listed, is_given, default = rest.partition("=")
    options, clip = _options(match["name"], type_, listed.strip())
    parameter = Parameter(
        match["name"],
        type_,
        label.strip() or match["name"].replace("_", " ").capitalize(),
        options=options,
        clip=clip,
    )
    if not is_given:
        return parameter
    texts = (
        tuple(part.strip() for part in default.split(","))
        if parameter.is_many
        else (default.strip(),)
    )
    # A default that does not fit is the author's mistake, and is told at once.
    if not clip:
        _values(parameter, texts, options, date(2000, 1, 1))
    return Parameter(
        parameter.name, type_, parameter.label, default=texts, options=options, clip=clip
    )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("--")


def _options(name: str, type_: str, listed: str) -> tuple[tuple[str, ...], str]:
    if type_ not in ("one of", "many of"):
        if listed:
            raise BadRequest(
                f"The parameter '{name}' says '{listed[:40]}' after its type.",
                hint="A default stands after '=', a label after two blanks.",
            )
        return (), ""
    from_clip = FROM_CLIP.fullmatch(listed)
    if from_clip:
        return (), from_clip[1].lower()
    options = tuple(dict.fromkeys(part.strip() for part in listed.split(",") if part.strip()))
    if not options:
        raise BadRequest(
            f"The parameter '{name}' lists nothing to choose from.",
            hint="Write them with commas, or 'clip' and a clip's id.",
        )
    if len(options) > OPTIONS_MAX:
        raise BadRequest(f"The parameter '{name}' lists more than {OPTIONS_MAX} options.")
    return options, ""


def _values(
    parameter: Parameter, texts: tuple[str, ...], allowed: Sequence[str], today: date
) -> dict[str, Value]:
    """The values by the names that SQL says for them."""
    name, text = parameter.name, texts[0].strip()
    if any(len(each) > TEXT_CHARS_MAX or "\0" in each for each in texts):
        raise _unfit(name, "a text that long or with such characters")
    if parameter.type in ("one of", "many of"):
        if not set(texts) <= set(allowed):
            raise BadRequest(
                f"'{name}' must be one of {_listed(allowed)}.",
                hint="Choose it from the list on the clip's page.",
            )
        return {name: ("texts", texts) if parameter.is_many else ("text", texts[0])}
    if parameter.type == "date range":
        period: Period = read_period(name, text, today)
        return {
            f"{name}_from": ("date", period.first.isoformat()),
            f"{name}_to": ("date", (period.last + timedelta(days=1)).isoformat()),
        }
    return {name: _single(parameter, texts[0], text, today)}


def _single(parameter: Parameter, text: str, trimmed: str, today: date) -> Value:
    if parameter.type == "number":
        return "number", _number(parameter.name, trimmed)
    if parameter.type == "date":
        return "date", read_date(parameter.name, trimmed, today).isoformat()
    if parameter.type == "yes or no":
        if trimmed.lower() not in YES:
            raise _unfit(parameter.name, "yes or no")
        return "boolean", YES[trimmed.lower()]
    return "text", text


def _number(name: str, text: str) -> str:
    try:
        number = Decimal(text) if len(text) <= NUMBER_CHARS_MAX and text.isascii() else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or "_" in text:
        raise _unfit(name, "a number")
    return text


def _places(sql: str, names: set[str]) -> list[str]:
    """The declared names that the SQL really uses, in order, each once."""
    pattern = _pattern(names)
    found = (match["place"] for match in pattern.finditer(sql))
    return list(dict.fromkeys(name for name in found if name))


def _pattern(names: set[str], mark: str = ":") -> re.Pattern[str]:
    among = "|".join(sorted(names, key=len, reverse=True)) or r"\Z\A"
    return re.compile(rf"{SKIPPED}|(?<![\w:]){re.escape(mark)}(?P<place>{among})\b", re.DOTALL)


def _unfit(name: str, what: str) -> BadRequest:
    return BadRequest(f"'{name}' must be {what}.")


def _listed(options: Sequence[str]) -> str:
    shown = ", ".join(options[:10])
    return f"{shown} and {len(options) - 10} more" if len(options) > 10 else shown  # noqa: PLR2004 - enough to see what is meant
