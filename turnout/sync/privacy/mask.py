"""The treatment `mask`: enough of a value to recognise what it is, too little to know it."""

from __future__ import annotations

import re
from collections.abc import Callable

DOTS = "•••"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# A local part shorter than this would be told by its first letter.
LOCAL_CHARS_MIN = 3
IBAN = re.compile(r"[A-Za-z]{2}\d{2}[ \dA-Za-z]{10,40}")
IPV4 = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(/\d{1,2})?")
IPV6 = re.compile(r"(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]{3,45}(/\d{1,3})?")
NUMBER = re.compile(r"\+?[\d\s().\-/]+")
# Of a number with at least so many digits, so many last ones are shown.
DIGITS_SHOWN = ((10, 4), (7, 2))
# A word shorter than this would be told by its first letter.
CHARS_MIN = 3


def masked(text: str) -> str:
    """The masked form. Its dots are always three, so that they tell no length."""
    shown = next((show for shape, show in SHAPES if shape.fullmatch(text)), _word)
    return shown(text) if text else text


def _email(text: str) -> str:
    local, _, domain = text.partition("@")
    first = local[0] if len(local) >= LOCAL_CHARS_MIN else ""
    return f"{first}{DOTS}@{domain}"


def _network(text: str) -> str:
    """The first two groups of an IPv6 address: a provider's, not a household's."""
    return ":".join([*text.split(":")[:2], DOTS])


def _number(text: str) -> str:
    digits = "".join(character for character in text if character.isdigit())
    shown = next((shown for least, shown in DIGITS_SHOWN if len(digits) >= least), 0)
    return DOTS + digits[len(digits) - shown :]


def _address(text: str) -> str:
    return f"{text[: text.rindex('.')]}.{DOTS}"


def _account(text: str) -> str:
    return f"{text[:2]}{DOTS}{text.rstrip()[-4:]}"


def _word(text: str) -> str:
    return f"{text[0]}{DOTS}" if len(text) >= CHARS_MIN and text[0].isalpha() else DOTS


SHAPES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (EMAIL, _email),
    (IPV4, _address),
    (IPV6, _network),
    (IBAN, _account),
    (NUMBER, _number),
)
