from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import SourceRefused
from turnout.sync.mysql.address import understood


@given(
    user=st.text(min_size=1),
    password=st.text(),
    database=st.text(min_size=1).filter(lambda name: "/" not in name),
)
def test_an_escaped_address_is_what_it_was(user: str, password: str, database: str) -> None:
    def escaped(text: str) -> str:
        return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))

    valid = all(text.isprintable() for text in (user, password, database))
    if not valid:
        return
    address = understood(f"mysql://{escaped(user)}:{escaped(password)}@db/{escaped(database)}")
    assert (address.user, address.password, address.database) == (user, password, database)
    assert address.port == 3306
    assert password not in address.place or password in f"db:3306/{database}"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://turnout:top/secret@db/app",
        "mysql://turnout:top@secret@db/app",
        "mysql://turnout:secret@db:port/app",
        "mysql://turnout:secret@db",
        "mysql://turnout:secret@db/app/more",
        "mysql://turnout:secret@db/app?password=secret",
        "mysql://turnout:secret@[db/app",
    ],
)
def test_what_cannot_be_understood_is_not_repeated(url: str) -> None:
    with pytest.raises(SourceRefused) as failed:
        understood(url)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("db.acme.example", "VERIFY_IDENTITY"),
        ("10.0.0.1", "VERIFY_IDENTITY"),
        ("127.0.0.1", "DISABLED"),
        ("localhost", "DISABLED"),
        ("[::1]", "DISABLED"),
    ],
)
def test_a_network_is_not_trusted_unless_it_is_said(place: str, mode: str) -> None:
    address = understood(f"mariadb://turnout@{place}:3307/app")
    assert (address.ssl_mode, address.port) == (mode, 3307)


@pytest.mark.parametrize("mode", ["PREFERRED", "DISABLED", "prefer", "allow", "disable"])
def test_what_anybody_could_read_is_refused(mode: str) -> None:
    with pytest.raises(SourceRefused, match="anybody on the way"):
        understood(f"mysql://turnout@db.acme.example/app?ssl-mode={mode}")


def test_a_socket_needs_no_protection() -> None:
    address = understood("mysql://turnout@db/app?socket=/run/mysqld/mysqld.sock")
    assert address.is_local
    assert address.place == "/run/mysqld/mysqld.sock/app"


def test_missing_certificates_are_named() -> None:
    address = understood("mysql://turnout@db.acme.example/app?ssl-ca=/nowhere.pem")
    with pytest.raises(SourceRefused, match=r"certificates for db\.acme\.example:3306/app"):
        address.tls()
