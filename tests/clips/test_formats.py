from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.clips import formats
from turnout.clips.result import Result

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

property_test = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def as_csv(result: Result, **options: bool) -> str:
    return b"".join(formats.as_csv(result, **options)).decode()


def as_json(result: Result, **options: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"title": "Test", "version": 3}
    answer: dict[str, Any] = json.loads(b"".join(formats.as_json(result, **(known | options))))
    return answer


@pytest.fixture
def everything(make_result: Any) -> Result:
    """One column of each type, a value and then NULL."""
    result: Result = make_result(
        ("t", "text", pa.array(["a,b", None])),
        ("i", "integer", pa.array([-7, None], pa.int64())),
        ("d", "decimal", pa.array([Decimal("-1.50"), None], pa.decimal128(9, 2))),
        ("f", "float", pa.array([0.5, None])),
        ("b", "boolean", pa.array([True, None])),
        ("at", "time", pa.array([AT.replace(tzinfo=None), None], pa.timestamp("us"))),
        ("tz", "time", pa.array([AT, None], pa.timestamp("us", "UTC"))),
        ("day", "date", pa.array([date(2026, 3, 2), None])),
        ("c", "clock", pa.array([time(10, 0), None], pa.time64("us"))),
        ("iv", "interval", pa.array(["1 day", None])),
        ("j", "json", pa.array(['{"a":[1,"x"]}', None])),
        ("u", "uuid", pa.array(["6d3f0b62-0000-4000-8000-000000000000", None])),
        ("raw", "bytes", pa.array([b"\x00\xff", None])),
        ("n", "text", pa.array([None, None], pa.string())),
    )
    return result


def test_every_type_has_its_csv(everything: Result) -> None:
    assert as_csv(everything) == (
        "t,i,d,f,b,at,tz,day,c,iv,j,u,raw,n\r\n"
        '"a,b",-7,-1.50,0.5,true,2026-03-02 09:30:00,2026-03-02 09:30:00,2026-03-02,10:00:00,'
        '1 day,"{""a"":[1,""x""]}",6d3f0b62-0000-4000-8000-000000000000,AP8=,\r\n'
        ",,,,,,,,,,,,,\r\n"
    )


def test_every_type_has_its_json(everything: Result) -> None:
    answer = as_json(everything)
    assert answer["values"] == [
        [
            "a,b", -7, -1.5, 0.5, True, "2026-03-02T09:30:00Z", "2026-03-02T09:30:00Z",
            "2026-03-02", "10:00:00", "1 day", {"a": [1, "x"]},
            "6d3f0b62-0000-4000-8000-000000000000", base64.b64encode(b"\x00\xff").decode(), None,
        ],
        [None] * 14,
    ]  # fmt: skip


def test_json_says_what_is_known_about_the_answer(make_result: Any) -> None:
    result = make_result(("n", "integer", pa.array([1, 2, 3])), truncated=True)
    answer = as_json(result, title="How <many>?")
    assert answer == {
        "title": "How <many>?",
        "fields": ["n"],
        "types": ["integer"],
        "values": [[1], [2], [3]],
        "row_count": 3,
        "truncated": True,
        "as_of": "2026-03-02T09:00:00.000Z",
        "ran_at": "2026-03-02T09:00:00.000Z",
        "duration_ms": 12,
        "version": 3,
    }


def test_no_rows_are_no_rows(make_result: Any) -> None:
    empty = make_result(("n", "integer", pa.array([], pa.int64())))
    assert as_csv(empty) == "n\r\n"
    assert as_json(empty)["values"] == []


def test_objects_number_repeated_names(make_result: Any) -> None:
    column = pa.array([1])
    result = make_result(*[(name, "integer", column) for name in ("a", "a", "a_2", "a")])
    assert as_json(result, shape="objects")["values"] == [{"a": 1, "a_2": 1, "a_2_2": 1, "a_3": 1}]


def test_numbers_that_json_would_bend_are_strings(make_result: Any) -> None:
    result = make_result(
        ("i", "integer", pa.array([2**53, 2**53 + 1, -(2**53) - 1], pa.int64())),
        ("u", "integer", pa.array([2**53, 2**64 - 1, 0], pa.uint64())),
        (
            "h",
            "integer",
            pa.array([Decimal(1), Decimal(2**100), Decimal(-5)], pa.decimal128(38, 0)),
        ),
        (
            "d",
            "decimal",
            pa.array(
                [Decimal("0.10"), Decimal("123456789012345.67"), Decimal("-99.00")],
                pa.decimal128(18, 2),
            ),
        ),
    )
    assert as_json(result)["values"] == [
        [2**53, 2**53, 1, 0.1],
        [str(2**53 + 1), str(2**64 - 1), str(2**100), "123456789012345.67"],
        [str(-(2**53) - 1), 0, -5, -99],
    ]


def test_numbers_that_json_does_not_know_are_null(make_result: Any) -> None:
    result = make_result(("f", "float", pa.array([math.nan, math.inf, -math.inf, 1e300, 12.0])))
    assert as_json(result)["values"] == [[None], [None], [None], [1e300], [12]]


def test_whole_floats_are_written_without_an_exponent(make_result: Any) -> None:
    result = make_result(("f", "float", pa.array([1e10, 123456789012.0, 1e20, -0.25])))
    assert as_csv(result).split() == ["f", "10000000000", "123456789012", "1e+20", "-0.25"]


def test_times_show_microseconds_only_where_there_are_some(make_result: Any) -> None:
    times = [datetime(2026, 3, 2, 9, 0), datetime(2026, 3, 2, 9, 0, 0, 250)]  # noqa: DTZ001
    result = make_result(("at", "time", pa.array(times, pa.timestamp("us"))))
    assert as_csv(result).split("\r\n")[1:3] == [
        "2026-03-02 09:00:00", "2026-03-02 09:00:00.000250",
    ]  # fmt: skip


def test_times_beyond_every_calendar_are_said_in_words(make_result: Any) -> None:
    ends = pa.array([2**63 - 1, -(2**63) + 1], pa.timestamp("us"))
    result = make_result(
        ("at", "time", ends), ("day", "date", pa.array([2**31 - 1, 0], pa.date32()))
    )
    assert as_csv(result).split("\r\n")[1:3] == ["infinity,infinity", "-infinity,1970-01-01"]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_formula_is_defused_in_text_and_numbers_are_not_touched(
    make_result: Any, text: str
) -> None:
    result = make_result(("t", "text", pa.array([text])), ("n", "integer", pa.array([-1])))
    ((defused, number),) = list(csv.reader(io.StringIO(as_csv(result), newline="")))[1:]
    assert (defused, number) == (f"'{text}", "-1")
    ((raw, _),) = list(csv.reader(io.StringIO(as_csv(result, raw=True), newline="")))[1:]
    assert raw == text


def test_a_column_name_is_defused_and_quoted_too(make_result: Any) -> None:
    result = make_result(('=a"b', "integer", pa.array([1])), ("", "integer", pa.array([2])))
    assert as_csv(result).split("\r\n")[0] == '"\'=a""b",""'


def test_null_and_the_empty_text_differ(make_result: Any) -> None:
    result = make_result(("a", "text", pa.array(["", None])), ("b", "integer", pa.array([1, 2])))
    assert as_csv(result) == 'a,b\r\n"",1\r\n,2\r\n'


def test_a_byte_order_mark_and_the_header_are_a_choice(make_result: Any) -> None:
    result = make_result(("a", "integer", pa.array([1])))
    assert as_csv(result, bom=True, header=False) == "\ufeff1\r\n"


def test_a_json_column_that_is_not_json_for_every_reader_is_a_string(make_result: Any) -> None:
    result = make_result(("j", "json", pa.array(['{"a":1}', "nan"])))
    assert as_json(result)["values"] == [['{"a":1}'], ["nan"]]


@pytest.mark.parametrize("values", [["1],[2"], ["1,2", ""], ['"a"', "1 2"]])
def test_no_json_value_breaks_out_of_its_place(make_result: Any, values: list[str]) -> None:
    answer = as_json(make_result(("j", "json", pa.array(values))))
    assert answer["values"] == [[value] for value in values]


@property_test
@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8")))))
def test_any_text_comes_back_from_csv_and_json(make_result: Any, texts: list[str | None]) -> None:
    result = make_result(
        ("t", "text", pa.array(texts, pa.string())),
        ("n", "integer", pa.array(range(len(texts)), pa.int64())),
    )
    assert as_json(result)["values"] == [[text, n] for n, text in enumerate(texts)]
    read = list(csv.reader(io.StringIO(as_csv(result, raw=True), newline="")))[1:]
    assert read == [[text or "", str(n)] for n, text in enumerate(texts)]


@property_test
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_number_comes_back_exactly(make_result: Any, numbers: list[float]) -> None:
    result = make_result(("f", "float", pa.array(numbers, pa.float64())))
    assert [row[0] for row in as_json(result)["values"]] == numbers
    assert [float(text) for text in as_csv(result).split()[1:]] == numbers


def test_a_large_answer_is_streamed_batch_by_batch(make_result: Any) -> None:
    result = make_result(("n", "integer", pa.array(range(10))), bytes=2 * 1024**2)
    assert len(list(formats.as_csv(result))) == 6  # the header and five batches of two


def test_a_small_answer_is_rendered_once(make_result: Any) -> None:
    result = make_result(("n", "integer", pa.array([1, 2, 3])))
    (first,), (second,) = formats.as_csv(result), formats.as_csv(result)
    assert first is second


def test_an_answer_in_each_format_is_what_review_has_read(
    everything: Result, golden: Callable[[str, str], None]
) -> None:
    golden("answer.csv", as_csv(everything))
    for shape in ("arrays", "objects"):
        body = as_json(everything, shape=shape)
        golden(f"answer-{shape}.json", json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def as_table(result: Result, write: Callable[[Result], Any]) -> pa.Table:
    content = b"".join(write(result))
    if write is formats.as_parquet:
        return pq.read_table(io.BytesIO(content))
    return pa.ipc.open_stream(content).read_all()


def test_every_row_is_a_line_of_its_own(everything: Result) -> None:
    lines = b"".join(formats.as_ndjson(everything)).decode().splitlines()
    first, second = (json.loads(line) for line in lines)
    values = as_json(everything, shape="objects")["values"]
    assert [first, second] == values
    assert first["t"] == "a,b"


def test_no_rows_are_no_lines(make_result: Any) -> None:
    empty = make_result(("n", "integer", pa.array([], pa.int64())))
    assert b"".join(formats.as_ndjson(empty)) == b""


@pytest.mark.parametrize("write", [formats.as_parquet, formats.as_arrow])
def test_columns_keep_their_types(everything: Result, write: Any) -> None:
    table = as_table(everything, write)
    assert table.column_names == everything.fields
    assert table["d"].to_pylist() == [Decimal("-1.50"), None]
    assert table["at"].type == table["tz"].type == pa.timestamp("us", "UTC")
    assert table["at"].to_pylist() == [AT, None]
    assert table["raw"].to_pylist() == [b"\x00\xff", None]


@pytest.mark.parametrize("write", [formats.as_parquet, formats.as_arrow])
def test_a_program_finds_no_rows_and_repeated_names_too(make_result: Any, write: Any) -> None:
    column = pa.array([], pa.int64())
    table = as_table(make_result(("a", "integer", column), ("a", "integer", column)), write)
    assert table.column_names == ["a", "a_2"]
    assert table.num_rows == 0


@pytest.mark.parametrize("write", [formats.as_parquet, formats.as_arrow])
def test_many_batches_are_written_as_they_come(make_result: Any, write: Any) -> None:
    many = make_result(("n", "integer", pa.array(range(300_000))))
    pieces = list(write(many))
    assert len(pieces) > 2
    content = io.BytesIO(b"".join(pieces))
    read = pq.read_table if write is formats.as_parquet else pa.ipc.open_stream
    found = read(content)
    assert (found if isinstance(found, pa.Table) else found.read_all()).num_rows == 300_000


def sheet(result: Result, title: str = "Test") -> list[list[Any]]:
    content = io.BytesIO(b"".join(formats.as_xlsx(result, title=title)))
    book = openpyxl.load_workbook(content)
    assert book.sheetnames == ["Answer", "About"]
    return [list(row) for row in book["Answer"].iter_rows(values_only=True)]


def about(result: Result) -> dict[str, str]:
    content = io.BytesIO(b"".join(formats.as_xlsx(result, title="Test")))
    rows = openpyxl.load_workbook(content)["About"].iter_rows(values_only=True)
    return {str(name): str(value) for name, value in rows}


def test_a_workbook_holds_values_as_what_they_are(everything: Result) -> None:
    names, first, *rest = sheet(everything)
    assert names == everything.fields
    assert first[:5] == ["a,b", -7, -1.5, 0.5, True]
    assert first[5] == first[6] == AT.replace(tzinfo=None)
    assert first[7] == datetime(2026, 3, 2)  # noqa: DTZ001 - a sheet knows no zone
    assert first[8] == time(10, 0)
    assert not any(cell for row in rest for cell in row)


def test_a_workbook_never_holds_a_formula_nor_a_number_it_would_bend(make_result: Any) -> None:
    result = make_result(
        ("=name", "text", pa.array(["=1+1", "https://x.example", "007", "x" * 40_000])),
        ("i", "integer", pa.array([10**15, -(10**15) + 1, 0, 1], pa.int64())),
        ("f", "float", pa.array([math.nan, math.inf, 0.1, 1e300])),
        ("day", "date", pa.array([date(1899, 12, 31), date(1900, 1, 1), None, None])),
    )
    names, *rows = sheet(result)
    assert names[0] == "=name"
    assert [row[0] for row in rows[:3]] == ["=1+1", "https://x.example", "007"]
    assert len(rows[3][0]) == 32_767
    assert rows[3][0].endswith("…")
    assert [row[1] for row in rows] == ["1000000000000000", -(10**15) + 1, 0, 1]
    assert [row[2] for row in rows] == ["nan", "inf", 0.1, 1e300]
    assert rows[0][3] == "1899-12-31"
    assert rows[1][3] == datetime(1900, 1, 1)  # noqa: DTZ001 - a sheet knows no zone
    assert about(result)["Shortened"].startswith("1 text")


def test_a_workbook_says_how_old_and_whole_it_is(make_result: Any) -> None:
    told = about(make_result(("n", "integer", pa.array([1])), truncated=True))
    assert told["Data as of"] == "2026-03-02 09:00:00 UTC"
    assert "more rows" in told["Not complete"]


def as_markdown(result: Result, title: str = "Test") -> str:
    return b"".join(formats.as_markdown(result, title=title)).decode()


def test_a_chat_gets_twenty_rows_and_how_many_there_are(make_result: Any) -> None:
    text = as_markdown(make_result(("n", "integer", pa.array(range(25))), truncated=True))
    assert text.count("\n| 1") == 11
    assert text.endswith("_20 of more than 25 rows, data as of 2026-03-02 09:00 UTC_\n")


def test_nothing_from_the_data_is_markup(make_result: Any) -> None:
    hostile = "a|b\n[x](javascript:alert(1)) <b> `c` **d** # e"
    text = as_markdown(make_result((hostile, "text", pa.array([hostile, None]))), title="*t*")
    lines = text.splitlines()
    assert lines[0] == "**\\*t\\***"
    expected = "| a\\|b \\[x\\](javascript:alert(1)) \\<b\\> \\`c\\` \\*\\*d\\*\\* \\# e |"
    assert lines[2] == lines[4] == expected
    assert lines[5] == "|  |"
