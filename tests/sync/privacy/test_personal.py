from __future__ import annotations

import pytest

from turnout.demo.rows import COLUMNS
from turnout.sync.privacy.personal import looks_personal, may_hold_personal


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("email", ""),
        ("eMail", "text"),
        ("work_email", "character varying(255)"),
        ("emailAddress", "text"),
        ("PHONE_NUMBER", "text"),
        ("mobile", "bigint"),
        ("first_name", "text"),
        ("LastName", "text"),
        ("fullname", "text"),
        ("username", "text"),
        ("home_address", "text"),
        ("street", "text"),
        ("zip", "int"),
        ("city", "text"),
        ("birth_date", "date"),
        ("date_of_birth", "timestamp"),
        ("dob", "date"),
        ("birth_year", "smallint"),
        ("gender", "mysql_enum"),
        ("ssn", "text"),
        ("tax_id", "text"),
        ("passport_no", "text"),
        ("iban", "text"),
        ("card_number", "text"),
        ("last_ip", "inet"),
        ("ip", "inet"),
        ("user_agent", "text"),
        ("lat", "double precision"),
        ("lon", "numeric"),
        ("reset_token", "text"),
        ("password_hash", "text"),
        ("salt", "bytea"),
        ("avatar_url", "text"),
        ("note", "text"),
        ("bio", "text"),
        ("subject", "text"),
        ("body", "text"),
    ],
)
def test_such_a_column_looks_personal(name: str, type_: str) -> None:
    assert looks_personal(name, type_)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("name", "text"),  # of a company, a plan, a feature
        ("uuid", "uuid"),
        ("person_uuid", "uuid"),
        ("email_verified", "boolean"),
        ("email", "boolean"),
        ("email_confirmed_at", "timestamptz"),
        ("email_count", "integer"),
        ("address_id", "bigint"),
        ("city_id", "bigint"),
        ("password_changed_at", "timestamp"),
        ("role_in_company", "text"),
        ("plan", "text"),
        ("shipping", "numeric"),
        ("tax_rate", "numeric"),
        ("latest", "text"),
        ("description", "text"),
        ("zipped", "boolean"),
        ("", "text"),
    ],
)
def test_such_a_column_does_not(name: str, type_: str) -> None:
    assert looks_personal(name, type_) is None


def test_a_made_up_company_selects_nothing_personal_but_cities() -> None:
    flagged = {
        (table, column)
        for table, columns in COLUMNS.items()
        for column in columns
        if looks_personal(column)
    }
    assert flagged == {("person", "email"), ("person", "full_name"), ("person", "city")}


def test_columns_that_may_hold_anything_are_told_apart_from_plain_words() -> None:
    assert may_hold_personal("settings", "jsonb")
    assert may_hold_personal("file", "bytea")
    assert may_hold_personal("story", "text")
    assert may_hold_personal("plan", "text") is None
    assert may_hold_personal("time_zone", "text") is None
    assert may_hold_personal("country", "character(2)") is None
    assert may_hold_personal("seats", "integer") is None
