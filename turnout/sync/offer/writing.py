"""Writing a chosen source into turnout.toml: what stands there stays, comments and order too."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable, Table

from turnout.config import FILE_NAME, load_config
from turnout.errors import ConfigError
from turnout.sync.offer.choice import SourceChoice, TableChoice

HEADER = "Turnout's settings. `turnout check` prints all of them with their defaults."
# A list of columns longer than this is written with a column per line.
LINE_CHARS_MAX = 90
# Settings of a table that name a column of it, and those that say something of several.
ABOUT_ONE_COLUMN = ("cursor", "created_at", "person")
ABOUT_COLUMNS = ("treat", "personal")
OWNER_ONLY = 0o600


def write_source(home: Path, choice: SourceChoice, *, replace: bool = False) -> Path:
    """Add `choice` to the turnout.toml in `home`, which may be missing; the file's path.

    With `replace` a source that is there gets the chosen tables, and keeps all else that is said
    of it. The file is replaced at once or not at all, and only by one that can be read again.
    Raises `ConfigError` when the source is there already, or the result would not be valid.
    """
    path = (home / FILE_NAME).resolve()
    before = _read(path)
    text = with_source(before, choice, replace=replace)
    _check(text)
    _write(path, text)
    return path


def with_source(text: str, choice: SourceChoice, *, replace: bool = False) -> str:
    """`text`, which is TOML, with the chosen source in it. Raises as `write_source`."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError(f"{FILE_NAME} is not valid TOML: {error}.") from None
    if not text.strip():
        document.add(tomlkit.comment(HEADER))
        document.add(tomlkit.nl())
    sources = _section(document, "sources")
    if choice.name in sources and not replace:
        raise ConfigError(
            f"{FILE_NAME} has a source '{choice.name}' already.",
            hint="Give this one another name with --name, or change that one in the file.",
        )
    if choice.name in sources:
        _change_tables(sources[choice.name], choice)
        return tomlkit.dumps(document)
    sources.append(choice.name, _source(choice))
    if choice.membership:
        _add_membership(document, choice.membership)
    return tomlkit.dumps(document)


def keep_password(home: Path, name: str, password: str) -> str:
    """Put a password where only the owner of this process can read it; its path in the home."""
    place = Path("data") / f"{name}.password"
    path = home / place
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, password + "\n", OWNER_ONLY)
    return str(place)


def _section(parent: MutableMapping[str, Any], name: str) -> Any:
    """A table that only holds others, made when it is missing."""
    if name not in parent:
        parent[name] = tomlkit.table(is_super_table=True)
    return parent[name]


def _source(choice: SourceChoice) -> Table:
    source = tomlkit.table()
    source.add("url", choice.url)
    if choice.password_file:
        source.add("password_file", choice.password_file)
    source.add("schema", choice.schema)
    source.add(tomlkit.nl())
    tables = tomlkit.table(is_super_table=True)
    for table in choice.tables:
        tables.append(table.label, _table(table))
    source.append("tables", tables)
    return source


def _table(choice: TableChoice) -> Table:
    table = tomlkit.table()
    table.add("columns", _columns(choice))
    for key, value in choice.settings.items():
        table.add(key, _inline(value) if isinstance(value, Mapping) else value)
    table.add(tomlkit.nl())
    return table


def _columns(choice: TableChoice) -> Array:
    columns = tomlkit.array()
    columns.extend(choice.columns)
    if len(columns.as_string()) > LINE_CHARS_MAX:
        columns.multiline(True)
    return columns


def _inline(values: Mapping[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    for key, value in values.items():
        table.append(key, value)
    return table


def _change_tables(source: Any, choice: SourceChoice) -> None:
    """The chosen tables and columns; what else is said of a table that stays, stays."""
    tables = _section(source, "tables")
    chosen = {table.label: table for table in choice.tables}
    for label in [label for label in tables if label not in chosen]:
        del tables[label]
    for label, table in chosen.items():
        if label not in tables:
            tables.append(label, _table(table))
        else:
            _change_table(tables[label], table)


def _change_table(table: Any, choice: TableChoice) -> None:
    """Other columns, and what is said of columns: for the new ones, no more for those that went."""
    if list(table["columns"]) != list(choice.columns):
        table["columns"] = _columns(choice)
    for key in ABOUT_ONE_COLUMN:
        if table.get(key, choice.columns[0]) not in choice.columns:
            del table[key]
    for key in ABOUT_COLUMNS:
        known, said = table.get(key, {}), choice.settings.get(key)
        new = said if isinstance(said, Mapping) else {}
        for column in [column for column in known if column not in choice.columns]:
            del known[column]
        added = {c: value for c, value in new.items() if c not in known}
        if added and key in table:
            known.update(added)
        elif added:
            table.add(key, _inline(added))


def _add_membership(document: Any, membership: Mapping[str, str]) -> None:
    """Who decides already is not overruled."""
    identity = _section(document, "identity")
    if "membership" in identity:
        return
    table = tomlkit.table()
    for key, value in membership.items():
        table.add(key, value)
    identity.append("membership", table)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None


def _check(text: str) -> None:
    """Read it as the next start will; what is wrong with it is said before it is in force."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / FILE_NAME).touch(mode=OWNER_ONLY)
        (copy / FILE_NAME).write_text(text, encoding="utf-8")
        load_config(copy)


def _write(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    _replace(path, text, mode)


def _replace(path: Path, text: str, mode: int) -> None:
    """The whole file or the one before it, never a part; nobody else reads it meanwhile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
