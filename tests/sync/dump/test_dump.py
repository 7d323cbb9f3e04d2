"""Dumps of the real pg_dump: what is in them arrives, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.sync.dump.conftest import FORMS, ODD, PgDump, problem, read, selected
from turnout import sync
from turnout.config import Source, TableSelection
from turnout.demo.cluster import Cluster
from turnout.demo.postmaster import programs_of
from turnout.errors import SourceRefused
from turnout.sync.dump.archive import read_archive
from turnout.sync.dump.dump import Dump
from turnout.sync.source import Since
from turnout.warehouse import Column, Type
from turnout.warehouse.duckdb import DuckDB

# Of each form's bytes, at how many places they are cut.
CUTS = 40
COMPANY = selected("company", "name", "seats")
COMPANIES = {"name": ["Acme", 'Glo\\bex\n\t"x"'], "seats": ["20.00", "5.50"]}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_read_from_every_form(dumps: dict[str, Path], form: str) -> None:
    assert read(dumps[form], COMPANY)[0].to_pydict() == COMPANIES


@pytest.mark.parametrize("form", FORMS)
def test_names_that_need_quotes_and_values_that_look_like_marks(
    dumps: dict[str, Path], form: str
) -> None:
    table = selected(ODD, "Wert", "from", schema="billing")
    rows, _ = read(dumps[form], table)
    assert rows.to_pydict() == {"Wert": ["", "\\N", None, "\\."], "from": ["1", "2", "3", "4"]}


@pytest.mark.parametrize("form", FORMS)
def test_a_partitioned_table_has_the_rows_of_all_its_partitions(
    dumps: dict[str, Path], form: str
) -> None:
    rows, _ = read(dumps[form], selected("measured", "number"))
    assert sorted(rows["number"].to_pylist()) == ["1", "2", "7"]
    rows, _ = read(dumps[form], selected("measured_new", "at"))
    assert sorted(rows["at"].to_pylist()) == ["2026-06-06", "2026-07-07"]


@pytest.mark.parametrize("form", FORMS)
def test_tables_without_rows_are_empty(dumps: dict[str, Path], form: str) -> None:
    assert read(dumps[form], selected("empty", "id", "word"))[0].num_rows == 0
    assert read(dumps[form], selected("none_yet", "at"))[0].num_rows == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_line_without_anything_is_a_row_with_an_empty_text(
    dumps: dict[str, Path], form: str
) -> None:
    rows, _ = read(dumps[form], selected("words", "word"))
    assert rows["word"].to_pylist() == ["", "one", "", None, "\\"]


def test_types_key_and_other_columns_are_those_of_the_definition(dumps: dict[str, Path]) -> None:
    with Dump([dumps["custom"]]).snapshot([COMPANY]) as snapshot:
        (table,) = snapshot.tables
    assert table.columns == (Column("name", Type.TEXT), Column("seats", Type.DECIMAL, 6, 2))
    assert table.shape.key == ()
    assert table.shape.columns["seats"] == (5, "numeric(6,2)", True)
    assert table.shape.columns["name"] == (2, "text", False)
    assert table.shape.others == ("uuid", "secret", "plan", "twice")
    with Dump([dumps["custom"]]).snapshot([selected("company", "uuid")]) as snapshot:
        assert snapshot.tables[0].shape.key == ("uuid",)


def test_an_archive_says_itself_when_it_was_made(dumps: dict[str, Path]) -> None:
    for form in ("custom", "directory", "plain"):
        with Dump([dumps[form]]).snapshot([COMPANY]) as snapshot:
            assert timedelta(0) <= datetime.now(UTC) - snapshot.as_of < timedelta(minutes=5)
            assert snapshot.instant.now == snapshot.as_of
    at = datetime(2026, 1, 2, tzinfo=UTC)
    with Dump([dumps["custom"]], as_of=at).snapshot([COMPANY]) as snapshot:
        assert snapshot.as_of == at


def test_an_archive_written_to_a_pipe_knows_no_places_and_is_searched(
    to_dump: str, tmp_path: Path
) -> None:
    # Through a pipe pg_dump cannot go back and write down where the rows are.
    program = programs_of(18) / "pg_dump"
    piped = tmp_path / "piped.dump"
    command = [str(program), "-d", to_dump, "--format=custom"]
    piped.write_bytes(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert {entry.place for entry in read_archive(piped).entries} == {None}
    assert read(piped, COMPANY)[0].to_pydict() == COMPANIES


@pytest.mark.parametrize(("codec", "number", "suffix"), [("lz4", 2, ".lz4"), ("zstd", 3, ".zst")])
def test_other_compressions(
    pg_dump: PgDump, tmp_path: Path, codec: str, number: int, suffix: str
) -> None:
    """This pg_dump knows gzip only: its plain files are compressed as another would."""
    folder = tmp_path / "dump"
    shutil.copytree(pg_dump("--format=directory", "--compress=0", name="d"), folder)
    for file in folder.glob("*.dat"):
        if file.name == "toc.dat":
            continue
        with pa.CompressedOutputStream(str(file) + suffix, codec) as out:
            out.write(file.read_bytes())
        file.unlink()
    contents = bytearray((folder / "toc.dat").read_bytes())
    assert contents[11] == 0
    contents[11] = number
    (folder / "toc.dat").write_bytes(contents)
    assert read(folder, COMPANY)[0].to_pydict() == COMPANIES


def test_an_older_server_and_its_pg_dump(tmp_path: Path) -> None:
    with Cluster(tmp_path / "old", version=16) as cluster:
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE company (name text, seats numeric(6,2))")
            connection.execute("INSERT INTO company VALUES ('Acme', 20)")
        for form in ("custom", "directory"):
            path = tmp_path / form
            program = programs_of(16) / "pg_dump"
            subprocess.run(
                [program, "-d", cluster.leader_url(), "-f", path, f"--format={form}"], check=True
            )
            assert read(path, COMPANY)[0].to_pydict() == {"name": ["Acme"], "seats": ["20.00"]}


def test_a_dump_in_another_encoding(pg_dump: PgDump, cluster: Cluster) -> None:
    with cluster.connect("to_dump") as connection:
        connection.execute("CREATE TABLE place (name text); INSERT INTO place VALUES ('Zürich')")
    for arguments in (["--format=custom"], ["--format=plain"]):
        path = pg_dump(*arguments, "--encoding=LATIN1", "--table=place")
        assert read(path, selected("place", "name"))[0]["name"].to_pylist() == ["Zürich"]
    with cluster.connect("to_dump") as connection:
        connection.execute("DROP TABLE place")


def test_definitions_and_rows_may_stand_in_two_files(pg_dump: PgDump) -> None:
    rows = pg_dump("--format=custom", "--data-only")
    definitions = pg_dump("--format=plain", "--schema-only", name="schema.sql")
    with Dump([rows]).snapshot([COMPANY]) as snapshot:
        assert snapshot.untyped == ["company"]
    with Dump([definitions, rows]).snapshot([COMPANY]) as snapshot:
        assert snapshot.untyped == []
        assert snapshot.tables[0].columns[1].type is Type.DECIMAL


def test_what_a_dump_does_not_hold_is_said(dumps: dict[str, Path], pg_dump: PgDump) -> None:
    dump = dumps["custom"]
    assert "'companies'" in (said := problem(dump, selected("companies", "name")))
    assert "Did you mean 'company'?" in said
    assert "no column 'nmae'. Did you mean 'name'?" in problem(dump, selected("company", "nmae"))
    assert "company.twice" in problem(dump, selected("company", "twice"))
    assert "is a view" in problem(dump, selected("paying", "uuid"))
    assert "where" in problem(dump, selected("company", "name", where="seats > 1"))
    bare = pg_dump("--format=custom", "--schema-only")
    assert "hold no rows" in problem(bare, COMPANY)


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_rows_as_statements_are_refused_with_what_to_do(pg_dump: PgDump, form: str) -> None:
    dump = pg_dump(f"--format={form}", "--inserts")
    assert "without --inserts" in problem(dump, COMPANY)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut(
    dumps: dict[str, Path], tmp_path: Path, form: str
) -> None:
    """Or its rows are all there: never fewer than there were, and no other error."""
    whole = dumps[form]
    files = [each for each in whole.iterdir() if each.stat().st_size] if whole.is_dir() else [whole]
    refused = 0
    for number, file in enumerate(files):
        data = file.read_bytes()
        for size in range(1, len(data), max(1, len(data) // (CUTS // len(files)))):
            cut = tmp_path / f"{number}-{size}"
            if whole.is_dir():
                shutil.copytree(whole, cut)
                (cut / file.name).write_bytes(data[:size])
            else:
                cut = cut.with_suffix(".sql.gz" if form == "plain gzip" else "")
                cut.write_bytes(data[:size])
            try:
                rows, _ = read(cut, COMPANY)
            except SourceRefused:
                refused += 1
            except AssertionError:
                # Plain SQL that ends before it says what it is.
                refused += 1
            else:
                assert rows.to_pydict() == COMPANIES
    assert refused


def test_files_of_no_known_kind_are_refused(tmp_path: Path, pg_dump: PgDump) -> None:
    strange = tmp_path / "picture.png"
    strange.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(SourceRefused, match="cannot be told"), Dump([strange]).snapshot([COMPANY]):
        pass
    tar = pg_dump("--format=tar", name="app.tar")
    with pytest.raises(SourceRefused, match="--format=custom"), Dump([tar]).snapshot([COMPANY]):
        pass
    missing = tmp_path / "missing.dump"
    with pytest.raises(SourceRefused, match="No such file"), Dump([missing]).snapshot([COMPANY]):
        pass
    newer = tmp_path / "newer.dump"
    newer.write_bytes(b"PGDMP\x02\x00\x00\x04\x08\x01" + bytes(100))
    with pytest.raises(SourceRefused, match=r"version 2\.0"), Dump([newer]).snapshot([COMPANY]):
        pass


def test_files_are_only_read_whole_and_have_no_log(dumps: dict[str, Path]) -> None:
    dump = Dump([dumps["custom"]])
    with dump.snapshot([COMPANY]) as snapshot:
        (table,) = snapshot.tables
        assert snapshot.cursor_max(table) is None
        with pytest.raises(SourceRefused, match="whole"):
            snapshot.rows(table, Since("2026-01-01"))
    with pytest.raises(SourceRefused, match="log"):
        dump.log([COMPANY])


def test_of_a_document_only_the_keys_selected_are_read(pg_dump: PgDump, cluster: Cluster) -> None:
    with cluster.connect("to_dump") as connection:
        connection.execute(
            """CREATE TABLE note (id int, body jsonb);
            INSERT INTO note VALUES
                (1, '{"plan": 1.50, "mail": "alice@acme.example"}'), (2, '[1]'), (3, NULL)"""
        )
    dump = pg_dump("--format=custom", "--table=note")
    table = selected("note", "body", json_keys={"body": ["plan", "seats"]})
    rows, _ = read(dump, table)
    assert rows["body"].to_pylist() == [
        '{"plan": 1.50, "seats": null}', '{"plan": null, "seats": null}', None,
    ]  # fmt: skip
    rows, _ = read(dump, selected("note", "body", json_keys={"body": []}))
    assert rows["body"].to_pylist() == ["{}", "{}", None]
    with cluster.connect("to_dump") as connection:
        connection.execute("DROP TABLE note")


def test_rows_are_treated_as_those_of_a_live_copy(
    pg_dump: PgDump, cluster: Cluster, tmp_path: Path
) -> None:
    columns = ["id", "email", "born", "seen", "seats", "price", "plan"]
    treat = {
        "id": "hash", "email": "hash:email", "born": "bucket:year", "seen": "bucket:day",
        "seats": "bucket:10", "price": "bucket:5", "plan": "mask",
    }  # fmt: skip
    tables = {"person": TableSelection(columns, treat=treat)}
    with cluster.connect("to_dump") as connection:
        connection.execute(
            """CREATE TABLE person (id uuid PRIMARY KEY, email text, born date, seen timestamptz,
                seats int, price numeric(8,2), plan text);
            INSERT INTO person VALUES ('00000000-0000-4000-8000-000000000001', ' A@acme.example',
                '1980-05-05', '2026-01-01 23:30+00', 17, 12.50, 'pro');
            INSERT INTO person (id) VALUES (gen_random_uuid())"""
        )
    dump = pg_dump("--format=custom", "--table=person")
    found = []
    for place, url in enumerate((f"file:{dump}", cluster.leader_url(database="to_dump"))):
        path = tmp_path / f"{place}.duckdb"
        warehouse = DuckDB(path, memory_bytes_max=256 * 1024**2, threads=1)
        source = Source(url, tables=tables, accept_leader=True, retries=0)
        assert not sync.copy("app", source, warehouse, secret=b"s" * 32).problems
        found.append(warehouse.query("SELECT * FROM userdata.person ORDER BY email, id"))
        warehouse.close()
    assert found[0].equals(found[1])
    with cluster.connect("to_dump") as connection:
        connection.execute("DROP TABLE person")
