from __future__ import annotations

import datetime as dt
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict

from turnout.errors import SourceRefused
from turnout.sync.postgres.address import address

FAR = "postgresql://reader:hidden@db.acme.example/app"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own settings."""
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_server_elsewhere_is_checked_down_to_its_name() -> None:
    found = address(FAR)
    parts = conninfo_to_dict(found.conninfo)
    assert parts["sslmode"] == "verify-full"
    assert (found.is_local, found.warning) == (False, "")
    # By the authorities that this machine trusts.
    assert Path(str(parts.get("sslrootcert", "/"))).exists()
    assert found.place == "db.acme.example:5432/app"


@pytest.mark.parametrize("mode", ["require", "verify-ca"])
def test_encryption_without_a_checked_name_is_warned_of(mode: str) -> None:
    found = address(f"{FAR}?sslmode={mode}")
    assert conninfo_to_dict(found.conninfo)["sslmode"] == mode
    assert f"by sslmode={mode}: another server could pretend to be it" in found.warning


@pytest.mark.parametrize("mode", ["prefer", "allow", "disable"])
def test_less_than_encryption_is_refused(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceRefused, match=f"sslmode={mode}") as refused:
        address(f"{FAR}?sslmode={mode}")
    assert "hidden" not in str(refused.value)
    monkeypatch.setenv("PGSSLMODE", mode)
    with pytest.raises(SourceRefused, match=f"sslmode={mode}"):
        address(FAR)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader@localhost/app?sslmode=disable",
        "postgresql://reader@127.0.0.9/app",
        "postgresql://reader@[::1]/app",
        "postgresql://reader@/app?host=/run/postgresql",
        "postgresql:///app",
        "postgresql://reader@db.acme.example/app?hostaddr=127.0.0.1",
    ],
)
def test_nobody_is_between_us_and_this_machine(url: str) -> None:
    found = address(url)
    assert (found.is_local, found.warning) == (True, "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader@10.0.0.1/app?sslmode=disable",
        "postgresql://reader@localhost,db.acme.example/app?sslmode=disable",
        "postgresql://reader@localhost/app?hostaddr=10.0.0.1&sslmode=disable",
    ],
)
def test_one_far_server_among_many_is_far(url: str) -> None:
    with pytest.raises(SourceRefused, match="sslmode=disable"):
        address(url)


def test_the_users_own_authority_counts(tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert "sslrootcert" not in conninfo_to_dict(address(FAR).conninfo)
    said = conninfo_to_dict(address(f"{FAR}?sslrootcert=system").conninfo)
    assert said["sslrootcert"] == "system"


class Authority:
    """Signs for names, and says so in a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        self.folder = folder
        self.file = folder / "ca.pem"
        own = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def context(self, host: str) -> ssl.SSLContext:
        """What a server called `host` would be set up with."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        signed = self._signed(name, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        file = self.folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, more: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(more, critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Front:
    """TLS before a real server that was built without."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context = context
        self._behind = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._behind)) as behind,
        ):
            if client.recv(8) != SSL_REQUEST:
                return  # whoever asks for no encryption gets none
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as secret:
                back = threading.Thread(target=_pass_on, args=[behind, secret], daemon=True)
                back.start()
                _pass_on(secret, behind)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def secret_url(cluster: Any, shared: str, authority: Authority) -> Iterator[str]:
    """The leader behind TLS, as db.acme.example, whose authority is yet to be said."""
    behind = cluster.leader_url(database=shared)
    port = int(str(conninfo_to_dict(behind)["port"]))
    front = Front(authority.context("db.acme.example"), port)
    url = behind.replace(f"127.0.0.1:{port}", f"db.acme.example:{front.port}")
    yield f"{url}?hostaddr=127.0.0.1&sslmode=verify-full"
    front.close()


def test_a_server_with_the_right_certificate_is_read(
    run: Any, reader: Any, secret_url: str, authority: Authority
) -> None:
    run("CREATE TABLE visit AS SELECT 1 AS id")
    with reader(f"{secret_url}&sslrootcert={authority.file}", {"visit": ["id"]}).snapshot() as one:
        assert one._control.pgconn.ssl_in_use
        # In bulk, too.
        assert [batch.to_pylist() for batch in one.rows(one.tables[0])] == [[{"id": 1}]]


def test_a_certificate_of_another_authority_is_refused(
    reader: Any, secret_url: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "theirs")
    with pytest.raises(SourceRefused, match="certificate verify failed"):
        reader(f"{secret_url}&sslrootcert={other.file}", {"visit": ["id"]}).check()


def test_a_certificate_for_another_name_is_refused(
    reader: Any, secret_url: str, authority: Authority
) -> None:
    url = secret_url.replace("db.acme.example", "db.globex.example")
    with pytest.raises(SourceRefused, match=r"does not match host name .db\.globex\.example"):
        reader(f"{url}&sslrootcert={authority.file}", {"visit": ["id"]}).check()


def test_a_server_without_tls_is_refused(reader: Any, cluster: Any, authority: Authority) -> None:
    url = f"{cluster.leader_url()}?sslmode=verify-full&sslrootcert={authority.file}"
    with pytest.raises(SourceRefused, match="does not support SSL"):
        reader(url, {"visit": ["id"]}).check()
