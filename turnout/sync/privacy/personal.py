"""Which columns look personal, told by their name and type alone: no value is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

# A name in words: firstName, FIRST_NAME and first-name are the same two.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# One word of the name that says it, and what it says.
SAYS = {
    "an e-mail address": "email emails mail mailbox",
    "a phone number": "phone phones telephone tel mobile cell cellphone msisdn fax whatsapp",
    "a person's name": "firstname lastname fullname surname forename nickname displayname "
    "username givenname familyname middlename maidenname patronymic",
    "an address": "address addresses street addr address1 address2 housenumber",
    "a place somebody lives": "zip zipcode postal postcode plz city town",
    "a birthday": "birth birthday birthdate birthplace dob",
    "a sex or gender": "gender sex pronouns salutation",
    "an official number": "ssn passport nin nino taxid tin vatid itin",
    "a bank account or card": "iban bic swift card cardnumber creditcard pan cvv cvc",
    "where somebody was": "lat lon lng latitude longitude geo geolocation coordinates",
    "a network address": "ip ipaddress ipv4 ipv6 mac useragent",
    "a secret": "token secret password passwd pwd passphrase hash salt apikey otp credential "
    "credentials",
    "a picture of somebody": "avatar photo picture selfie",
    "what somebody wrote": "note notes comment comments message messages bio subject body remark "
    "remarks feedback",
    "health, origin or belief": "religion ethnicity race disability diagnosis nationality",
}  # fmt: skip
# The same of two words that follow each other.
PAIRS = {
    "a person's name": "first_name last_name full_name display_name nick_name given_name "
    "family_name middle_name maiden_name user_name legal_name person_name contact_name "
    "customer_name owner_name screen_name",
    "an official number": "tax_id tax_number tax_no vat_id national_id social_security "
    "driver_license driving_licence id_number identity_card",
    "a device": "user_agent device_id advertising_id",
    "a secret": "api_key private_key access_key session_key",
}
BY_WORD = {word: why for why, words in SAYS.items() for word in words.split()}
BY_PAIR = {tuple(pair.split("_")): why for why, pairs in PAIRS.items() for pair in pairs.split()}

# A name that ends so speaks about the thing, and does not hold it: email_count, token_version.
ABOUT = (
    "count counts total rate amount size length status state type kind version format provider "
    "verified confirmed enabled required valid optin optout consent limit quota id uuid guid at "
    "on"
)
# What such a name holds all the same.
ALWAYS = frozenset({"an official number", "a device"})

# What values of a type can be, by what its name begins with.
BOOLEANS = ("bool", "bit(1)", "tinyint(1)")
TIMES = ("date", "time", "timestamp", "datetime", "year")
NUMBERS = (
    "int", "integer", "smallint", "bigint", "tinyint", "mediumint", "serial", "bigserial",
    "numeric", "decimal", "float", "real", "double", "money", "number",
)  # fmt: skip
ANYTHING = ("json", "hstore", "xml", "bytea", "bytes", "blob", "binary", "varbinary", "tinyblob",
            "mediumblob", "longblob", "record", "tsvector")  # fmt: skip
FREE_TEXT = ("text", "citext", "tinytext", "mediumtext", "longtext", "clob")
# What a time, or a number, can be of all that.
OF_TIMES = frozenset({"a birthday"})
OF_NUMBERS = frozenset(
    {
        "a phone number", "an official number", "a bank account or card", "where somebody was",
        "a place somebody lives", "a birthday", "a network address", "a secret",
    }
)  # fmt: skip

# Names of texts that are words of a list, or name a thing: not free.
PLAIN = (
    "id uuid guid key code slug name plan role status state type kind tier level currency country "
    "locale language lang timezone tz industry sector segment region source channel "
    "category version color colour unit sku product domain platform os browser event action "
    "reason result title label tag"
)


def looks_personal(name: str, type_: str = "") -> str | None:
    """Why a column looks personal: what its values seem to be. None when it does not.

    `type_` is as the source or the warehouse writes it, if it is known.
    """
    words = [word.lower() for word in WORD.findall(name)]
    why = _by_name(words)
    if why is None or type_.lower().startswith(BOOLEANS):
        return None
    if type_.lower().startswith(TIMES):
        return why if why in OF_TIMES else None
    if type_.lower().startswith(NUMBERS):
        return why if why in OF_NUMBERS else None
    return why


def may_hold_personal(name: str, type_: str) -> str | None:
    """Why nobody can tell by name and type what the values are; None when that is plain.

    Such a column is not refused, but it is never proposed either.
    """
    if type_.lower().startswith(ANYTHING):
        return "holds anything"
    words = [word.lower() for word in WORD.findall(name)]
    if not type_.lower().startswith(FREE_TEXT):
        return None
    is_plain = bool(words) and (words[-1] in PLAIN.split() or "_".join(words) == "time_zone")
    return None if is_plain else "free text"


def _by_name(words: list[str]) -> str | None:
    for why in _said(words):
        if why in ALWAYS or words[-1] not in ABOUT.split():
            return why
    return None


def _said(words: list[str]) -> Iterator[str]:
    for pair in pairwise(words):
        if pair in BY_PAIR:
            yield BY_PAIR[pair]
        if "".join(pair) in BY_WORD:
            yield BY_WORD["".join(pair)]
    for word in words:
        if word in BY_WORD:
            yield BY_WORD[word]
