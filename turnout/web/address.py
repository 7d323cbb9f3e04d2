"""Addresses: what a clip's and a link's look like, and how one is read back.

`/clips/<id>-<words>[.<format>]` and `/s/<token>[-<words>][.<format>]`. The words are for people:
nothing is ever looked up by them.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from turnout.clips.clip import Clip
from turnout.clips.formats import FORMATS
from turnout.errors import NotFound

SLUG_CHARS_MAX = 60
FILE_CHARS_MAX = 80
PARTS_MAX = 40

PICTURES = {"svg": "image/svg+xml", "png": "image/png"}

_FORMAT = rf"(?:\.(?P<format>{'|'.join([*FORMATS, *PICTURES])}))?"
_CLIP = re.compile(rf"(?P<name>[a-z0-9][^/]*?){_FORMAT}")
_LINK = re.compile(rf"(?P<token>[a-z]{{28}})(?:-[^/]*?)?{_FORMAT}")


def slug(title: str) -> str:
    """`title` as words for an address: small ASCII letters, digits and single dashes.

    "Who pays? (élan & co)" → "who-pays-elan-co". Empty when nothing of it can be spelt so.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    text = ""
    for word in words:
        longer = f"{text}-{word}" if text else word
        if len(longer) > SLUG_CHARS_MAX:
            break
        text = longer
    return text or "-".join(words)[:SLUG_CHARS_MAX]


def clip_address(clip: Clip, format_: str = "") -> str:
    """The one right address of a clip, as a page or in a format."""
    words = slug(clip.title)
    name = f"{clip.id}-{words}" if words else clip.id
    return f"/clips/{name}.{format_}" if format_ else f"/clips/{name}"


def link_address(token: str, title: str, format_: str = "") -> str:
    """A share link's path; the words only make it readable."""
    words = slug(title)
    name = f"{token}-{words}" if words else token
    return f"/s/{name}.{format_}" if format_ else f"/s/{name}"


def read_clip_address(address: str) -> tuple[list[str], str]:
    """(the ids it may hold, format or ''); `NotFound` when it cannot be the address of a clip.

    An id may have dashes, as the words after it do: 'who-pays-now' may hold 'who-pays-now',
    'who-pays' or 'who'. The longest comes first.
    """
    match = _CLIP.fullmatch(address)
    if match is None:
        raise NotFound("There is no clip at this address.")
    parts = match["name"].split("-")[:PARTS_MAX]
    ids = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return ids, match["format"] or ""


def read_link_address(address: str) -> tuple[str, str]:
    """(token, format or ''). What cannot be a token comes back as it is, to be found unknown."""
    match = _LINK.fullmatch(address)
    return (match["token"], match["format"] or "") if match else (address, "")


def attachment(title: str, format_: str) -> str:
    """A Content-Disposition that saves under the clip's title, whatever is in it."""
    ascii_name = f"{slug(title) or 'clip'}.{format_}"
    kept = "".join(
        letter for letter in title if letter.isprintable() and letter not in '/\\:*?"<>|'
    )
    name = f"{kept.strip()[:FILE_CHARS_MAX] or 'clip'}.{format_}"
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


def local_path(text: str | None) -> str:
    """`text` if it is a path on this site, else '/': nobody is ever sent elsewhere from here."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")):
        return "/"
    return text if text.isprintable() and "\\" not in text else "/"
