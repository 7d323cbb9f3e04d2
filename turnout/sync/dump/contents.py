"""What the files given hold together: definitions of tables, and their rows."""

from __future__ import annotations

import codecs
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from turnout.errors import SourceRefused
from turnout.sync.dump.archive import Archive, is_archive, read_archive
from turnout.sync.dump.copy_text import copied_rows
from turnout.sync.dump.definition import Definitions, Name
from turnout.sync.dump.delimited import Delimited
from turnout.sync.dump.parquet import ParquetRows
from turnout.sync.dump.plain import Script, is_script, read_script
from turnout.sync.dump.rows import FileRows, TypedColumn
from turnout.sync.dump.statements import identifier, list_items, qualified_name, statements
from turnout.sync.dump.streams import SUFFIXES

PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".tsv", ".txt")
SCRIPTS = (".sql", ".ddl")
ENCODING = re.compile(r"client_encoding\s*(?:=|TO)\s*'([^']+)'")


@dataclass(slots=True)
class Contents:
    """Definitions, and by table the files' rows; `as_of` is the oldest of the files' own times."""

    definitions: Definitions = field(default_factory=Definitions)
    rows: dict[Name, list[FileRows]] = field(default_factory=dict)
    oids: dict[Name, str] = field(default_factory=dict)
    as_of: datetime | None = None
    has_inserts: bool = False

    def add(self, name: Name, rows: FileRows) -> None:
        self.rows.setdefault(name, []).append(rows)

    def dated(self, at: datetime) -> None:
        """A file is as of `at`, and so all of them are as of then at the latest."""
        at = min(at, datetime.now(UTC))
        self.as_of = at if self.as_of is None else min(self.as_of, at)


class CopiedRows:
    """The rows of one COPY block."""

    def __init__(
        self, columns: Sequence[str], encoding: str, open_: Callable[[], BinaryIO]
    ) -> None:
        self.columns = columns
        self._encoding = encoding
        self._open = open_

    def typed(self, _: str) -> TypedColumn | None:
        return None

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with closing(self._open()) as stream:
            yield from copied_rows(stream, self.columns, names, self._encoding)


def read_files(files: Sequence[Path], table: Name | None = None) -> Contents:
    """What is in the files, without their rows.

    `table` is whose rows CSV and Parquet files hold; without it each file's name says so.
    Raises `SourceRefused` for a file that cannot be read, or is of no kind that is known here.
    """
    contents = Contents()
    for path in _each_file(files):
        try:
            _read_file(contents, path, table)
        except (OSError, pa.ArrowInvalid) as error:
            why = getattr(error, "strerror", None) or "it is damaged or cut off"
            raise SourceRefused(f"The file {path} cannot be read: {why}.") from None
    return contents


def _each_file(files: Sequence[Path]) -> Iterator[Path]:
    """The files, and those in folders that are not themselves one dump."""
    for path in files:
        if path.is_dir() and not is_archive(path):
            yield from sorted(each for each in path.iterdir() if not each.name.startswith("."))
        else:
            yield path


def _read_file(contents: Contents, path: Path, table: Name | None) -> None:
    inner = path.with_suffix("") if path.suffix in SUFFIXES else path
    if is_archive(path):
        _read_archive(contents, read_archive(path))
    elif path.suffix in PARQUET:
        _add_file(contents, path, table or _name_of(path), ParquetRows(path))
    elif inner.suffix in DELIMITED:
        _add_file(contents, path, table or _name_of(inner), Delimited(path))
    elif inner.suffix in SCRIPTS or is_script(path):
        _read_script(contents, read_script(path))
    else:
        raise _strange(path)


def _add_file(contents: Contents, path: Path, name: Name, rows: FileRows) -> None:
    contents.add(name, rows)
    contents.dated(_written_at(path))


def _read_archive(contents: Contents, archive: Archive) -> None:
    contents.dated(archive.created_at)
    encoding = "utf-8"
    for entry in archive.entries:
        name = (entry.schema or "public", entry.tag)
        contents.definitions.read(entry.definition, name[0])
        if entry.kind == "ENCODING":
            encoding = _encoding(entry.definition)
        elif entry.kind == "TABLE":
            contents.oids[name] = entry.oid
        elif entry.kind == "TABLE DATA" and entry.has_rows:
            if copied := _copied(entry.copy, name[0]):
                contents.add(
                    copied[0], CopiedRows(copied[1], encoding, partial(archive.open, entry))
                )
            else:
                contents.has_inserts = True


def _read_script(contents: Contents, script: Script) -> None:
    contents.dated(_written_at(script.path))
    contents.definitions.read(script.statements)
    contents.has_inserts |= script.has_inserts
    encoding = _encoding(script.statements)
    for block in script.blocks:
        if copied := _copied(f"COPY {block.copy}", block.schema):
            contents.add(copied[0], CopiedRows(copied[1], encoding, partial(script.open, block)))


def _copied(statement: str, schema: str) -> tuple[Name, list[str]] | None:
    """Table and columns that a COPY statement names."""
    words = next(statements(statement), [])
    if words[:1] != ["COPY"]:
        return None
    name, taken = qualified_name(words[1:], schema)
    return name, [identifier(item[0]) for item in list_items(words[1 + taken :])]


def _encoding(text: str) -> str:
    match = ENCODING.search(text)
    said = match[1] if match else "UTF8"
    name = re.sub(r"^WIN(?=\d)", "cp", said.replace("SQL_ASCII", "UTF8"))
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise SourceRefused(
            f"The dump is in the encoding {said}, which is not known here.",
            hint="Dump with --encoding=UTF8.",
        ) from None


def _name_of(path: Path) -> Name:
    """`company.csv` holds company's rows, `billing.invoice.csv` those of a table in billing."""
    schema, dot, name = path.stem.partition(".")
    return (schema, name) if dot else ("public", path.stem)


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _strange(path: Path) -> SourceRefused:
    if tarfile.is_tarfile(path):
        return SourceRefused(
            f"{path} is a tar file.", hint="Dump with --format=custom or --format=directory."
        )
    return SourceRefused(
        f"What {path} is cannot be told.",
        hint="Known are archives of pg_dump, and files named .sql, .csv, .tsv or .parquet.",
    )
