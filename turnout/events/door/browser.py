"""The browser library, as it was packed into `browser/` when Turnout was built: served from memory.

Names are looked up and never made into paths.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import brotli

from turnout.events.door import answer
from turnout.events.door.answer import Answer, Header

# The best takes most of a second at every start.
BROTLI_QUALITY = 7
FOLDER = Path(__file__).parent.parent / "browser"
LIBRARY = "analytics.min.js"
HEADERS = [
    ("content-type", "text/javascript; charset=utf-8"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("vary", "accept-encoding"),
    answer.FOR_ANY_PAGE,
]
ABSENT = answer.refusal(
    404, "The browser library is not part of this installation; it was built without a network."
)
NO_SUCH_FILE = answer.refusal(404, "The browser library has no such file.")


class Script:
    """One file, packed in every way that browsers unpack."""

    def __init__(self, content: bytes, cache: Header) -> None:
        self.tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        headers = [*HEADERS, cache, ("etag", self.tag)]
        self._same = Answer(304, b"", headers)
        self._plain = Answer(200, content, headers)
        self._packed = (
            (
                "br",
                Answer(
                    200,
                    brotli.compress(content, quality=BROTLI_QUALITY),
                    [*headers, ("content-encoding", "br")],
                ),
            ),
            (
                "gzip",
                Answer(
                    200, gzip.compress(content, mtime=0), [*headers, ("content-encoding", "gzip")]
                ),
            ),
        )

    def answer(self, accepted: str, known_tag: str) -> Answer:
        """For a browser that accepts these encodings and has the file with this tag already."""
        if self.tag in known_tag:
            return self._same
        words = {word.strip().partition(";")[0] for word in accepted.lower().split(",")}
        return next((answer for name, answer in self._packed if name in words), self._plain)


class Browser:
    """All files of the library; empty when the build had none."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.library: Script | None = None
        if (folder / LIBRARY).is_file():
            self.library = Script((folder / LIBRARY).read_bytes(), answer.FIVE_MINUTES)
        # Their names hold a hash of their content.
        self.chunks = {
            path.name: Script(path.read_bytes(), answer.FOREVER)
            for path in sorted((folder / "bundles").glob("*.js"))
        }
