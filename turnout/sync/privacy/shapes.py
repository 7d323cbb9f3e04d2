"""The shapes by which personal values are known: e-mail, phone, card, IBAN, IP address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

# RE2 finds candidates among many values at once; what looks like a card or an IBAN must also add
# up. Each shape may stand anywhere in a text, not inside a longer word or number.
CANDIDATES: Mapping[str, str] = {
    "email": r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    # With a plus anywhere; with 00 or 0 only as the whole value; else in the two written ways.
    "phone": r"(^|[^\w.:-])\+\d{1,3}[ ./-]?\(?\d{1,5}\)?([ ./-]?\d{2,5}){2,4}($|[^\w:-])"
    r"|^\s*00[1-9]\d{0,2}[ /]?\d{2,5}([ /]?\d{2,5}){1,4}\s*$"
    r"|^\s*0[1-9]\d{1,4}[ /]\d{3,8}( \d{2,5})?\s*$"
    r"|(^|[^\w.:/-])\(0?\d{2,5}\) ?\d{3,5}([ -]?\d{2,5}){0,2}($|[^\w:.-])"
    r"|(^|[^\w.:/-])\d{3}[ .-]\d{3}[ .-]\d{4}($|[^\w:-])",
    "card": r"(^|[^\w.-])\d(?:[ -]?\d){12,18}($|[^\w.-])",
    "iban": r"(^|\W)[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?($|\W)",
    "ip": r"(^|[^\w.])((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)($|[^\w.])"
    r"|(^|[^\w:.])([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}($|[^\w:])"
    r"|(^|[^\w:.])([0-9a-fA-F]{1,4}:){2,6}(:[0-9a-fA-F]{1,4}){1,5}($|[^\w:])",
}
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])", re.ASCII)
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", re.ASCII)
# As the issuers begin their numbers; a longer run of digits that adds up is not yet a card.
ISSUERS = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[068]|6(?:011|5|4)|62")


def having(texts: pa.Array) -> dict[str, int]:
    """How many of `texts` have each shape; shapes that none has are left out."""
    found = {kind: _count(kind, texts, pattern) for kind, pattern in CANDIDATES.items()}
    return {kind: count for kind, count in found.items() if count}


def _count(kind: str, texts: pa.Array, pattern: str) -> int:
    is_candidate = pc.match_substring_regex(texts, pattern)
    if kind not in PROOFS:
        return int(pc.sum(is_candidate).as_py() or 0)
    proof = PROOFS[kind]
    return sum(proof(text) for text in texts.filter(is_candidate).to_pylist())


def _has_card(text: str) -> bool:
    numbers = (re.sub(r"\D", "", match) for match in CARD.findall(text))
    return any(ISSUERS.match(number) and _luhn(number) for number in numbers)


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _has_iban(text: str) -> bool:
    return any(_adds_up(match.replace(" ", "")) for match in IBAN.findall(text))


def _adds_up(iban: str) -> bool:
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


PROOFS: Mapping[str, Callable[[str], bool]] = {"card": _has_card, "iban": _has_iban}
