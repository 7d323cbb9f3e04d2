"""Texts that a client has spread into objects: `{"0":"a","1":"b"}` was `"ab"` once.

They come in contexts and in traits of groups, from code that copies a text as if it were an object.
"""

from __future__ import annotations

import re

import msgspec
import pyarrow as pa

from turnout.events.engine import Engine

SIGN = '{"0":"'
# Documents are written without spaces, and a quote inside a text has a backslash before it.
OBJECT = re.compile(r'\{"0":"(?:[^"\\]|\\.)*"(?:,"\d+":"(?:[^"\\]|\\.)*")*\}')


def mend(engine: Engine) -> None:
    """Put such texts together again in the documents of the table `message`."""
    for document, condition in (("context", ""), ("part", " AND type = 'group'")):
        where = f"WHERE contains({document}, '{SIGN}'){condition}"
        found = engine.rows(f"SELECT DISTINCT {document} FROM message {where}")
        if found:
            texts = [text for (text,) in found]
            engine.execute(
                f"UPDATE message SET {document} = whole FROM mended "
                f"WHERE {document} = spread{condition}",
                mended=pa.table({"spread": texts, "whole": list(map(joined, texts))}),
            )


def joined(document: str) -> str:
    """`document` with every spread text in one piece, other objects as they were.

    The document itself stays an object, whatever is in it.
    """
    return document[:1] + OBJECT.sub(_joined, document[1:])


def _joined(match: re.Match[str]) -> str:
    members: dict[str, str] = msgspec.json.decode(match[0])
    is_spread = [*members] == [str(number) for number in range(len(members))] and all(
        len(character) == 1 for character in members.values()
    )
    return msgspec.json.encode("".join(members.values())).decode() if is_spread else match[0]
