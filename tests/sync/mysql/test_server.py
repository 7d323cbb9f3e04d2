"""Which server is read, what its user may do, and how the way there is protected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sync.mysql.server import MariaDB
from turnout import sync
from turnout.config import TableSelection
from turnout.errors import SourceRefused, SourceUnavailable
from turnout.sync.mysql.look import look
from turnout.sync.opening import open_source
from turnout.sync.source import Instant


def check(company: Any, **source: Any) -> list[str]:
    return sync.check("app", company.source(**source))


@contextmanager
def snapshot(source: Any, after: Instant | None = None) -> Iterator[Any]:
    selection = sync.selected_tables("app", source)
    with open_source("app", source).snapshot(selection, after) as snapshot:
        yield snapshot


def test_a_user_with_just_the_selection_is_silent(company: Any) -> None:
    company.grant()
    assert check(company) == []


def test_what_is_missing_is_said_with_the_statements_that_give_it(company: Any) -> None:
    company.grant({"company": ["uuid"]})
    tables = {"company": ["uuid", "plan"], "person": ["uuid"]}
    sentences = check(company, tables=tables)
    assert [sentence.split(". ")[0] for sentence in sentences] == [
        f"The table 'company' has no column 'plan' that '{company.reader}@%' may read",
        f"There is no table 'person' in the source that '{company.reader}@%' may read",
    ]
    for sentence in sentences:
        company.run(sentence.partition("run on the leader: ")[2])
    assert check(company, tables=tables) == []


def test_the_nearest_name_is_offered(company: Any) -> None:
    company.grant()
    sentence, *_ = check(company, tables={"company": ["uuid", "name", "plam"]})
    assert "Did you mean 'plan'?" in sentence


def test_an_administrator_is_warned_of_with_the_user_to_make_instead(company: Any) -> None:
    (sentence,) = check(company, url=company.url("admin"))
    assert "'admin@%' is an administrator" in sentence
    assert "GRANT SELECT (`uuid`, `name`, `plan`) ON" in sentence


@pytest.mark.parametrize("on", ["{0}.company", "{0}.*", "*.*"])
def test_columns_beyond_the_selection_are_named_and_can_be_taken_back(
    company: Any, on: str
) -> None:
    company.grant()
    company.run(f"GRANT SELECT ON {on.format(company.database)} TO {company.reader}@'%'")
    company.run(f"GRANT SELECT (email) ON person TO {company.reader}@'%'")
    sentences = [sentence for sentence in check(company) if "columns not selected" in sentence]
    assert "company.seats" in sentences[0]
    assert "person.email" in sentences[1]
    for statement in sentences[0].partition("Run on the leader: ")[2].split("; "):
        company.run(statement.rstrip(";"))
    for statement in sentences[1].partition("Run on the leader: ")[2].split("; "):
        if "*" not in statement:  # was taken back by the first already
            company.run(statement.rstrip(";"))
    assert check(company) == []


def test_other_tables_and_rights_to_change_are_named(company: Any) -> None:
    company.grant()
    company.run(
        "CREATE TABLE salary (amount int)",
        f"GRANT SELECT (amount) ON salary TO {company.reader}@'%'",
        f"GRANT UPDATE, INSERT (uuid) ON person TO {company.reader}@'%'",
        f"GRANT REPLICATION SLAVE ON *.* TO {company.reader}@'%'",
    )
    replicate, change, other = check(company)
    assert "may replicate, and so read every column" in replicate
    assert "may do more than read: INSERT, UPDATE on" in change
    assert other.endswith("can also read tables not selected: salary.")


def test_a_leader_is_said_to_be_one(company: Any) -> None:
    company.grant()
    (sentence,) = check(company, accept_leader=False)
    assert "is not a follower" in sentence
    company.run(f"REVOKE SLAVE MONITOR ON *.* FROM {company.reader}@'%'")
    (sentence,) = check(company, accept_leader=False)
    assert "its user may not ask. Run on the leader: GRANT SLAVE MONITOR" in sentence


def test_a_server_that_is_away_keeps_no_other_from_being_checked(company: Any) -> None:
    company.grant()
    away = f"mysql://turnout:hidden@127.0.0.1:1/{company.database}"
    (sentence,) = check(company, followers=[away])
    assert "127.0.0.1:1" in sentence
    assert "cannot be reached" in sentence


@pytest.fixture(scope="module", autouse=True)
def following(mariadb_follower: MariaDB) -> None:
    """It follows from now on, so it has to be there before what it is to have."""


@pytest.fixture
def pair(company: Any, mariadb_follower: MariaDB) -> tuple[str, str]:
    """The urls of both servers, for the reader."""
    company.grant()
    mariadb_follower.wait_replayed(company.server)
    return company.url(), mariadb_follower.url(company.reader, company.database)


def test_a_follower_is_read_rather_than_its_leader(
    company: Any, pair: tuple[str, str], mariadb_follower: MariaDB
) -> None:
    leader, follower = pair
    assert check(company, url=follower, accept_leader=False) == []
    source = company.source(url=leader, followers=[follower], accept_leader=False)
    with snapshot(source) as taken:
        assert taken._session.address.port == mariadb_follower.port
        assert len(taken.tables) == 2
    with snapshot(company.source(url=leader)) as taken:
        at_leader = taken.instant
    with snapshot(source, at_leader) as taken:
        # Leader and followers share one history, and positions in it.
        assert (taken.instant.server, taken.instant.position) == (
            at_leader.server,
            at_leader.position,
        )
        assert taken.instant.oldest_open is None


def test_a_follower_that_is_behind_or_broken_is_not_read(
    company: Any, pair: tuple[str, str], mariadb_follower: MariaDB
) -> None:
    leader, follower = pair
    mariadb_follower.run("STOP SLAVE SQL_THREAD")
    try:
        with pytest.raises(SourceUnavailable, match="does not replay"):
            check_snapshot(company.source(url=follower))
        source = company.source(url=leader, followers=[follower], accept_leader=False)
        with pytest.raises(SourceUnavailable, match="No server of this source") as failed:
            check_snapshot(source)
        assert "accept_leader = true" in str(failed.value)
        check_snapshot(company.source(url=follower, followers=[leader]))
    finally:
        mariadb_follower.run("START SLAVE SQL_THREAD")
        mariadb_follower.wait_replayed(company.server)


def test_a_follower_that_has_not_come_as_far_as_the_last_copy_is_not_read(
    company: Any, pair: tuple[str, str], mariadb_follower: MariaDB
) -> None:
    leader, follower = pair
    # A follower that replays, but as things were a while ago.
    mariadb_follower.run("STOP SLAVE", "CHANGE MASTER TO master_delay = 3600", "START SLAVE")
    try:
        company.run("UPDATE company SET plan = 'new'")
        with snapshot(company.source(url=leader)) as taken:
            after = taken.instant
        source = company.source(url=follower, lag_max_s=7200.0)
        with pytest.raises(SourceUnavailable, match="has not yet replayed"):
            check_snapshot(source, after)
    finally:
        mariadb_follower.run("STOP SLAVE", "CHANGE MASTER TO master_delay = 0", "START SLAVE")
        mariadb_follower.wait_replayed(company.server)


def test_changes_are_followed_at_a_follower_too(
    company: Any, pair: tuple[str, str], mariadb_follower: MariaDB
) -> None:
    _, follower = pair
    company.run(f"GRANT REPLICATION SLAVE ON *.* TO {company.reader}@'%'")
    mariadb_follower.wait_replayed(company.server)
    tables = {"company": TableSelection(["uuid", "plan"], mode="log")}
    source = company.source(tables, url=follower, accept_unfiltered_stream=True)
    stream = open_source("app", source).log(sync.selected_tables("app", source))
    after = stream.begin(replacing=False)
    company.run("UPDATE company SET plan = 'followed' WHERE uuid = 'a'")
    mariadb_follower.wait_replayed(company.server)
    (batch,) = stream.batches(after, {})
    stream.close()
    ((row,),) = [changes.rows.to_pylist() for changes in batch.tables]
    assert (row["uuid"], row["plan"]) == ("a", "followed")


def check_snapshot(source: Any, after: Instant | None = None) -> None:
    with snapshot(source, after):
        pass


def test_a_look_shows_what_there_is_to_choose(company: Any) -> None:
    company.run(
        "CREATE TABLE member (person char(36), company char(36), "
        "role enum('admin', 'it''s', 'member') NOT NULL, at datetime, body blob, "
        "PRIMARY KEY (person, company), KEY (at), "
        "FOREIGN KEY (person) REFERENCES person (uuid))",
        "CREATE VIEW paying AS SELECT uuid FROM company",
    )
    with look("app", company.source(url=company.url("admin"))) as looking:
        facts = looking.facts
        assert (facts.kind, facts.database, facts.usual_schema) == (
            "MariaDB",
            company.database,
            company.database,
        )
        assert facts.is_follower is False
        assert facts.is_local
        assert not facts.has_tls
        assert facts.log_missing == ()
        assert [table.name for table in facts.tables] == ["company", "member", "paying", "person"]
        member = facts.table(company.database, "member")
        person = facts.table(company.database, "person")
        assert member is not None
        assert person is not None
        assert member.key == ("person", "company")
        assert member.columns[2].values == ("admin", "it's", "member")
        assert [column.is_indexed for column in member.columns] == [True, False, False, True, False]
        assert [(each.columns, each.table, each.names) for each in member.references] == [
            (("person",), "person", ("uuid",))
        ]
        assert [table.is_view for table in facts.tables] == [False, False, True, False]
        samples = looking.samples(person, ["email", "created_at"], 2)
        assert samples == {
            "email": ["alice@acme.example", "bob@acme.example"],
            "created_at": ["2026-01-01 00:00:00.000000", "2026-01-02 00:00:00.000000"],
        }
        assert looking.samples(member, ["body"], 2) == {}
        statements = list(looking.grants({person: ["uuid", "role"]}, "turnout"))
    name = f"`{company.database}`.`person`"
    assert statements[0].startswith("CREATE USER 'turnout'@'%' IDENTIFIED BY '…'")
    assert statements[-1] == f"GRANT SELECT (`uuid`, `role`) ON {name} TO 'turnout'@'%';"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a server's certificate for 127.0.0.1 that it signed; another authority."""
    folder = tmp_path_factory.mktemp("certificates")
    key, authority = signed("an authority", folder / "ca.pem")
    signed("127.0.0.1", folder / "server.pem", by=(key, authority))
    signed("another authority", folder / "other.pem")
    return folder


def signed(name: str, path: Path, by: Any = None) -> tuple[Any, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, issuer = by or (key, None)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=issuer is None, crl_sign=issuer is None,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return key, certificate


@pytest.fixture(scope="module")
def protected(
    mariadb_files: Path, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDB]:
    settings = {
        "ssl-ca": str(certificates / "ca.pem"),
        "ssl-cert": str(certificates / "server.pem"),
        "ssl-key": str(certificates / "server.pem"),
    }
    folder = tmp_path_factory.mktemp("mariadb") / "protected"
    server = MariaDB(folder, mariadb_files, settings=settings)
    server.start()
    server.run("CREATE DATABASE app", "CREATE TABLE app.company (uuid int PRIMARY KEY)")
    yield server
    server.kill()


def protected_source(company: Any, server: MariaDB, options: str) -> Any:
    url = server.url(database="app", options=options)
    return company.source({"company": ["uuid"]}, url=url)


def test_a_certificate_is_looked_at_with_its_name(
    company: Any, protected: MariaDB, certificates: Path
) -> None:
    options = f"?ssl-mode=VERIFY_IDENTITY&ssl-ca={certificates / 'ca.pem'}"
    with snapshot(protected_source(company, protected, options)) as taken:
        cipher = taken._session.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]
        assert cipher
        assert list(taken.rows(taken.tables[0])) == []
    with look("app", protected_source(company, protected, options)) as looking:
        assert looking.facts.has_tls


@pytest.mark.parametrize("mode", ["VERIFY_IDENTITY", "VERIFY_CA", "verify-full"])
def test_a_certificate_of_somebody_else_is_refused(
    company: Any, protected: MariaDB, certificates: Path, mode: str
) -> None:
    options = f"?ssl-mode={mode}&ssl-ca={certificates / 'other.pem'}"
    with pytest.raises(SourceRefused, match="cannot be trusted"):
        check_snapshot(protected_source(company, protected, options))


def test_a_certificate_of_another_name_is_refused(
    company: Any, protected: MariaDB, certificates: Path
) -> None:
    source = protected_source(
        company, protected, f"?ssl-mode=VERIFY_IDENTITY&ssl-ca={certificates / 'ca.pem'}"
    )
    url = source.url.replace("127.0.0.1", "localhost")
    with pytest.raises(SourceRefused, match="cannot be trusted"):
        check_snapshot(company.source({"company": ["uuid"]}, url=url))


def test_a_server_that_cannot_protect_is_refused_where_that_is_asked(company: Any) -> None:
    company.grant()
    with pytest.raises(SourceRefused, match="no protected connection"):
        check_snapshot(company.source(url=company.url(options="?ssl-mode=REQUIRED")))
