"""The address of files as a source: `file:/backups/app.dump`, or several with what is said of them.

`file:` alone names none: such a source is only filled by `turnout source load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode

from turnout.errors import ConfigError
from turnout.sync.dump.dump import Dump

SCHEME = "file:"


@dataclass(frozen=True, slots=True)
class Files:
    """Files to load; `table` is whose rows CSV and Parquet hold, `as_of` when they were written.

    Both are for files that do not say it themselves.
    """

    paths: Sequence[Path]
    table: str = ""
    as_of: datetime | None = None

    @property
    def url(self) -> str:
        """The address that says all this."""
        said = [("file", str(path)) for path in self.paths]
        said += [("table", self.table)] if self.table else []
        said += [("as_of", self.as_of.isoformat())] if self.as_of else []
        return f"{SCHEME}?{urlencode(said, quote_via=quote)}"


def read_address(url: str) -> Files:
    """What an address of files says. Raises `ConfigError` for a path that is not absolute."""
    path, _, query = url.removeprefix(SCHEME).partition("?")
    said = parse_qs(query)
    paths = [Path(unquote(path).removeprefix("//"))] if path else []
    paths += map(Path, said.get("file", []))
    if strange := next((each for each in paths if not each.is_absolute()), None):
        raise ConfigError(
            f"The source's file {strange} is not named from the root on.",
            hint="Write file:/backups/app.dump.",
        )
    as_of = said.get("as_of")
    return Files(
        paths, said.get("table", [""])[0], datetime.fromisoformat(as_of[0]) if as_of else None
    )


def open_files(url: str) -> Dump:
    """The files at this address, as a source."""
    files = read_address(url)
    return Dump(files.paths, table=files.table, as_of=files.as_of)
