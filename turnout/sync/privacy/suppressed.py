"""People who were forgotten stay out: a list of keyed hashes that every copy looks at.

It lies beside the warehouse, so that it outlives a warehouse that is made anew or restored, and
has a key of its own, so that it outlives a change of the key that hashes columns.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from turnout.access.secret import secret_key
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.text import text_of

LIST_NAME = "forgotten.list"
KEY_NAME = "forgotten.key"
EVERY_SOURCE = "*"


class Suppressed:
    """The forgotten people of one source. Always as the file is now, also while a copy runs."""

    def __init__(self, data_folder: Path, source: str) -> None:
        self._folder = data_folder
        self._source = source
        self._stamp: tuple[int, int] | None = None
        self._digests: frozenset[bytes] = frozenset()
        self._told: frozenset[bytes] = frozenset()
        self._keyed: Keyed | None = None

    def holds(self, ids: pa.Array) -> pa.Array | None:
        """Whether each of `ids` is on the list, never NULL; None when nobody is on it at all."""
        digests, keyed = self._read()
        if not digests or keyed is None:
            return None
        encoded = pc.dictionary_encode(text_of(ids))
        listed = pa.array(
            [
                id_ is not None and keyed.digest(id_.encode()) in digests
                for id_ in encoded.dictionary.to_pylist()
            ],
            pa.bool_(),
        )
        return pc.fill_null(listed.take(encoded.indices), fill_value=False)

    def has_grown(self) -> bool:
        """Whether somebody was put on the list since it was asked the last time."""
        before, self._told = self._told, self._read()[0]
        return not self._told <= before

    @property
    def count(self) -> int:
        """How many ids are kept out."""
        return len(self._read()[0])

    def _read(self) -> tuple[frozenset[bytes], Keyed | None]:
        path = self._folder / LIST_NAME
        try:
            status = path.stat()
        except FileNotFoundError:
            return frozenset(), None
        stamp = (status.st_size, status.st_mtime_ns)
        if stamp != self._stamp:
            self._keyed = Keyed(secret_key(self._folder, KEY_NAME))
            self._digests = frozenset(_digests(path, self._source))
            self._stamp = stamp
        return self._digests, self._keyed


def suppress(data_folder: Path, ids: Iterable[str], source: str = EVERY_SOURCE) -> None:
    """Put `ids` on the list, of one source or of every one; on disk when this returns."""
    keyed = Keyed(secret_key(data_folder, KEY_NAME))
    path = data_folder / LIST_NAME
    scope = source if source == EVERY_SOURCE else quote(source, safe="")
    added = (f"{base64.b64encode(keyed.digest(id_.encode())).decode()} {scope}" for id_ in ids)
    _write(path, dict.fromkeys([*_lines(path), *added]))


def _digests(path: Path, source: str) -> Iterable[bytes]:
    scopes = (EVERY_SOURCE, quote(source, safe=""))
    for line in _lines(path):
        digest, _, scope = line.partition(" ")
        if scope in scopes:
            yield base64.b64decode(digest)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def _write(path: Path, lines: Iterable[str]) -> None:
    """The whole file anew: a line that was cut off would forget a forgetting."""
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
