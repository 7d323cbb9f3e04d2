from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.events import naming, reserved

GOLDEN = [
    ("Pressed Big Button", "pressed_big_button"),
    ("orderID", "order_id"),
    ("orderId", "order_id"),
    ("OAuth2 Login", "oauth2_login"),
    ("APIKey", "apikey"),
    ("HTTPRequest", "httprequest"),
    ("iOS App", "i_os_app"),
    ("IPv4Address", "ipv4_address"),
    ("userID2", "user_id2"),
    ("2FA Enabled", "_2fa_enabled"),
    ("3doctors", "_3doctors"),
    ("$pageview", "pageview"),
    ("MRR ($)", "mrr"),
    ("a__b", "a_b"),
    ("_private", "private"),
    ("address.line1", "address_line1"),
    ("Café Ouvert", "caf_ouvert"),
    ("order", "_order"),
    ("group", "_group"),
    ("user", "_user"),
    ("end", "_end"),
]


SAMPLES = json.loads(
    (Path(__file__).parents[1] / "golden" / "snake-samples.json").read_text(encoding="utf-8")
)


def test_words_are_told_apart_as_in_all_of_segments_published_samples() -> None:
    assert len(SAMPLES) == 32
    assert [[sent, naming.snake(sent)] for sent, _ in SAMPLES] == SAMPLES


@pytest.mark.parametrize(("sent", "name"), GOLDEN)
def test_events_and_properties_get_segments_names(sent: str, name: str) -> None:
    assert naming.event_table(sent) == name
    assert naming.property_column((sent,)) == name


HASHED = {"日本語": "77710aed", "🎉": "6146299c"}


def test_a_hash_in_a_name_is_the_first_of_sha_256() -> None:
    for sent, digest in HASHED.items():
        assert hashlib.sha256(sent.encode()).hexdigest()[:8] == digest
        assert naming.event_table(sent) == f"event_{digest}"
        assert naming.property_column((sent,)) == f"prop_{digest}"


@pytest.mark.parametrize("sent", ["日本語", "🎉", "", "  "])
def test_a_name_without_latin_letters_gets_a_hash_of_its_own(sent: str) -> None:
    assert naming.event_table(sent).startswith("event_")
    assert naming.property_column((sent,)).startswith("prop_")
    assert naming.event_table("日本語") != naming.event_table("🎉")


@pytest.mark.parametrize("table", sorted(reserved.TABLES))
def test_an_event_never_takes_the_table_of_a_call(table: str) -> None:
    assert naming.event_table(table.title()) == f"_{table}"


@pytest.mark.parametrize("column", ["id", "user_id", "userId", "timestamp", "event"])
def test_a_property_never_takes_a_column_of_ours(column: str) -> None:
    assert naming.property_column((column,)).startswith("_")


def test_a_word_of_the_engine_becomes_a_column_that_needs_no_quotes() -> None:
    engine = duckdb.connect()
    for (word,) in engine.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall():
        column = naming.property_column((word,))
        engine.execute(f'CREATE OR REPLACE TABLE pressed AS SELECT 1 AS "{column}"')
        engine.execute(f"SELECT {column} FROM pressed WHERE {column} = 1 ORDER BY {column}")


def test_a_property_never_looks_like_context() -> None:
    assert naming.property_column(("context", "ip")) == "_context_ip"
    assert naming.context_column(("ip",)) == "context_ip"
    assert naming.context_column(("library", "name")) == "context_library_name"


def test_long_names_stay_apart_though_they_are_cut() -> None:
    first, second = "word " * 20 + "one", "word " * 20 + "two"
    assert naming.event_table(first) != naming.event_table(second)
    assert len(naming.event_table(first)) == 63
    assert naming.event_table(first).startswith("word_word_")


@given(st.text())
def test_any_text_becomes_a_plain_identifier(sent: str) -> None:
    for name in (
        naming.event_table(sent),
        naming.property_column((sent,)),
        naming.context_column((sent,)),
    ):
        assert name.isascii()
        assert name == name.lower()
        assert 0 < len(name) <= 63
        assert name.replace("_", "a").isalnum()
        assert not name[0].isdigit()
        assert name not in reserved.WORDS
