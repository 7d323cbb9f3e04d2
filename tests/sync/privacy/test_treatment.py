from __future__ import annotations

import base64
import hmac
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import ConfigError
from turnout.sync.privacy.keyed import Keyed
from turnout.sync.privacy.treatment import treatment
from turnout.warehouse import Column, Type

SECRET = bytes(range(32))
KEYED = Keyed(SECRET)
TEXTS = st.text(max_size=40)


def treat(word: str, values: list[Any], type_: Type = Type.TEXT, arrow: Any = None) -> list[Any]:
    found = treatment(Column("c", type_, 12, 2), word, KEYED, "person.c")
    assert found is not None
    result = found.apply(pa.array(values, arrow))
    assert result.type == found.arrow
    return list(result.to_pylist())


def by_hand(value: str) -> str:
    digest = hmac.new(SECRET, value.encode(), "sha256").digest()
    return f"k{KEYED.id}:{base64.b64encode(digest).decode()}"


@given(st.lists(st.none() | TEXTS, max_size=20))
def test_a_hash_is_the_hmac_that_anybody_can_compute(values: list[str | None]) -> None:
    expected = [None if value is None else by_hand(value) for value in values]
    assert treat("hash", values, arrow=pa.string()) == expected


@given(TEXTS)
def test_an_address_is_hashed_without_what_is_around_it_and_in_lower_case(text: str) -> None:
    assert treat("hash:email", [text]) == [by_hand(text.strip().lower())]
    assert treat("hash:email", [f" {text}\t"]) == treat("hash:email", [text])


def test_a_phone_number_is_hashed_by_its_digits_and_without_any_equals_no_other() -> None:
    assert treat("hash:phone", ["+1 (555) 0100", "15550100"]) == [by_hand("15550100")] * 2
    assert treat("hash:phone", ["unknown", "", None]) == [None, None, None]


@pytest.mark.parametrize(
    ("values", "type_", "arrow"),
    [
        ([42], Type.INTEGER, pa.int64()),
        ([42], Type.INTEGER, pa.int16()),
        (["42"], Type.INTEGER, pa.string()),
        ([Decimal(42)], Type.DECIMAL, pa.decimal128(20, 0)),
        (["42"], Type.TEXT, pa.large_string()),
    ],
)
def test_an_id_has_the_same_hash_whatever_type_it_arrives_in(
    values: list[Any], type_: Type, arrow: Any
) -> None:
    assert treat("hash", values, type_, arrow) == [by_hand("42")]


def test_another_key_makes_other_hashes_and_another_key_id() -> None:
    other = Keyed(bytes(32))
    assert other.id != KEYED.id
    assert other.named("x") != KEYED.named("x")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("alice@acme.example", "a•••@acme.example"),
        ("al@acme.example", "•••@acme.example"),
        ("a@acme.example", "•••@acme.example"),
        ("+1 555 010 0123", "•••0123"),
        ("555-0100", "•••00"),
        ("1234", "•••"),
        ("4111 1111 1111 1111", "•••1111"),
        ("DE89 3704 0044 0532 0130 00", "DE•••0 00"),
        ("192.0.2.17", "192.0.2.•••"),
        ("2001:db8:1:2::17", "2001:db8:•••"),
        ("Alice Smith", "A•••"),
        ("Al", "•••"),
        ("", ""),
        (None, None),
    ],
)
def test_a_mask_keeps_what_tells_the_kind(value: str | None, shown: str | None) -> None:
    assert treat("mask", [value], arrow=pa.string()) == [shown]


@given(
    st.text(st.characters(exclude_characters="@", exclude_categories=["Z", "C"]), min_size=1),
    st.sampled_from(["acme.example", "mail.globex.example"]),
)
def test_a_mask_never_shows_the_local_part(local: str, domain: str) -> None:
    (shown,) = treat("mask", [f"{local}@{domain}"])
    said, _, kept = shown.partition("@")
    if kept:
        assert (kept, said.removesuffix("•••")) in {(domain, ""), (domain, local[0])}
        assert len(said.removesuffix("•••")) < len(local)
    else:
        assert len(shown) <= 4


@given(TEXTS)
def test_a_mask_of_anything_shows_little_of_it(text: str) -> None:
    (shown,) = treat("mask", [text])
    if text and "@" not in text and not any(c in ".:" or c.isdigit() for c in text):
        assert shown in {"•••", f"{text[0]}•••"}


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("bucket:day", date(2026, 11, 22)),
        ("bucket:month", date(2026, 11, 1)),
        ("bucket:year", date(2026, 1, 1)),
    ],
)
def test_dates_and_times_become_the_first_day_of_their_period(word: str, first: date) -> None:
    at = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    arrivals: list[tuple[list[Any], Any]] = [
        (["2026-11-22 23:59:59+00"], pa.string()),
        (["2026-11-22T23:59:59.123456"], pa.string()),
        ([at.replace(tzinfo=None)], pa.timestamp("us")),
        ([at], pa.timestamp("us", "UTC")),
    ]
    for values, arrow in arrivals:
        assert treat(word, [*values, None], Type.TIME, arrow) == [first, None]
    assert treat(word, [at.date()], Type.DATE, pa.date32()) == [first]
    assert treat(word, ["2026-11-22"], Type.DATE) == [first]


def test_a_text_that_is_no_date_leaves_nothing_of_itself() -> None:
    assert treat("bucket:month", ["alice", "2026"], Type.DATE) == [None, None]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.integers(1, 10**9))
def test_whole_numbers_become_the_lower_bound_of_their_band(
    values: list[int | None], size: int
) -> None:
    expected = [None if v is None else max(v // size * size, -(2**63)) for v in values]
    assert treat(f"bucket:{size}", values, Type.INTEGER, pa.int64()) == expected


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9
    )
)
def test_decimals_become_the_lower_bound_of_their_band_exactly(value: Decimal) -> None:
    (bound,) = treat("bucket:0.5", [f"{value:f}"], Type.DECIMAL)
    assert 0 <= value - Decimal(bound) < Decimal("0.5")
    assert Decimal(bound) * 2 % 1 == 0


def test_numbers_that_are_none_are_in_no_band() -> None:
    assert treat("bucket:10", ["NaN", "1E+5"], Type.DECIMAL) == [None, "100000"]
    assert treat("bucket:10", [19.9, -0.1], Type.FLOAT) == [10.0, -10.0]


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("hash", Type.BOOLEAN),
        ("hash", Type.JSON),
        ("hash", Type.FLOAT),
        ("hash:email", Type.INTEGER),
        ("mask", Type.INTEGER),
        ("mask", Type.JSON),
        ("bucket:month", Type.TEXT),
        ("bucket:month", Type.INTEGER),
        ("bucket:100", Type.TIME),
        ("bucket:100", Type.JSON),
        ("bucket:0.5", Type.INTEGER),
        ("bucket:0", Type.INTEGER),
        ("bucket:", Type.INTEGER),
        ("bucket:-5", Type.INTEGER),
        ("bucket:week", Type.DATE),
        ("sha256", Type.TEXT),
        ("", Type.TEXT),
    ],
)
def test_what_does_not_fit_is_refused_with_table_and_column(word: str, type_: Type) -> None:
    with pytest.raises(ConfigError, match=r"person\.c"):
        treatment(Column("c", type_), word, KEYED, "person.c")


def test_no_digit_of_a_long_decimal_is_lost() -> None:
    assert treat("bucket:100", [f"{'9' * 36}.99"], Type.DECIMAL) == [f"{'9' * 34}00"]


def test_numbers_that_are_kept_as_text_are_put_into_bands_and_other_texts_are_not() -> None:
    assert treat("bucket:100", ["149.99", "-0.01", "1e3", None]) == ["100", "-100", "1000", None]
    assert treat("bucket:0.5", ["9" * 39, "1.7"]) == [None, "1.5"]
    with pytest.raises(pa.ArrowInvalid) as refused:
        treat("bucket:100", ["alice@acme.example"])
    assert "alice" not in str(refused.value)
