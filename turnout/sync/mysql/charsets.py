"""How texts in the log are to be read: each in its column's own character set.

A copy has them converted by the server. The log has what is stored, so the server is asked once
what each sign of a character set is in Unicode: the same text then comes by both roads.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping

from turnout.sync.mysql.connection import Session

UTF8 = ("utf8mb4", "utf8mb3", "utf8", "ascii", "binary", "")
# Character sets whose every sign has more than one byte, and what they are called elsewhere.
WIDE = {"ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be"}
SIGNS = 256
EVERY_BYTE = bytes(range(SIGNS)).hex()

COLLATIONS = "SELECT id, character_set_name FROM information_schema.collations"
# Where MariaDB has those that may belong to several character sets.
MORE_COLLATIONS = """
SELECT id, character_set_name FROM information_schema.collation_character_set_applicability
"""
MORE_SINCE = (10, 10)
ONE_BYTE = "SELECT character_set_name FROM information_schema.character_sets WHERE maxlen = 1"

Decode = Callable[[bytes], bytes]


class Charsets:
    """The character sets of one server."""

    def __init__(self, of_collation: Mapping[int, str], signs: Mapping[str, str]) -> None:
        """Per collation its character set; per character set of single bytes, their signs."""
        self._of_collation = of_collation
        self._signs = signs

    def knows(self, name: str) -> bool:
        """Whether texts in that character set can be read here."""
        return name in UTF8 or name in WIDE or name in self._signs

    def decode(self, collation: int) -> Decode | None:
        """What makes UTF-8 of a text; None where it is UTF-8 or bytes. Raises `LookupError`."""
        name = self._of_collation[collation] if collation else ""
        if name in UTF8:
            return None
        if name in WIDE:
            codec = WIDE[name]
            return lambda value: value.decode(codec).encode()
        signs = self._signs[name]
        return lambda value: codecs.charmap_decode(value, "strict", signs)[0].encode()


def read_charsets(session: Session) -> Charsets:
    """What the server has."""
    sql = COLLATIONS
    if session.server.is_mariadb and session.server.version >= MORE_SINCE:
        sql = MORE_COLLATIONS
    of_collation = {int(id_): name for id_, name in session.rows(sql) if id_}
    names = [name for (name,) in session.rows(ONE_BYTE) if name not in UTF8 and name.isidentifier()]
    every = ", ".join(f"CONVERT(_{name} X'{EVERY_BYTE}' USING utf8mb4)" for name in names)
    texts = session.rows(f"SELECT {every}")[0]
    pairs = zip(names, texts, strict=True)
    return Charsets(of_collation, {name: text for name, text in pairs if len(text) == SIGNS})
