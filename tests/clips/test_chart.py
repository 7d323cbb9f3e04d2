from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Literal
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from turnout.clips import amount, chart

DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(40)]


def spec_of(make_result: Any, *columns: tuple[str, str, Any]) -> Any:
    arrays = [(field, type_, pa.array(values)) for field, type_, values in columns]
    return chart.spec(make_result(*arrays), title="A chart")


def marks(spec: Any) -> list[str]:
    return [layer["mark"]["type"] for layer in spec.get("layer", [spec])]


def test_one_number_is_a_headline(make_result: Any) -> None:
    result = make_result(("paying_companies", "integer", pa.array([12345])))
    assert chart.headline(result) == chart.Headline("12,345", "paying companies")
    assert chart.spec(result, title="x") is None


def test_one_row_comes_down_to_its_first_number_and_its_unit(make_result: Any) -> None:
    result = make_result(
        ("plan", "text", pa.array(["team"])),
        ("percent_of_companies", "float", pa.array([42.5])),
        ("companies", "integer", pa.array([120])),
    )
    assert chart.headline(result) == chart.Headline("42.5 %", "of companies")


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("float", -0.126, f"{amount.MINUS}0.13"),
        ("float", 3.0, "3"),
        ("integer", 0, "0"),
        ("text", "Acme", "Acme"),
        ("integer", None, amount.MISSING),
        ("float", float("nan"), amount.MISSING),
        ("date", date(2026, 3, 2), "2026-03-02"),
    ],
)
def test_a_headline_reads_as_people_write(
    make_result: Any, type_: str, value: Any, text: str
) -> None:
    headline = chart.headline(make_result(("x", type_, pa.array([value]))))
    assert headline is not None
    assert headline.text == text


def test_several_rows_are_no_headline(make_result: Any) -> None:
    assert chart.headline(make_result(("n", "integer", pa.array([1, 2])))) is None


def test_a_date_and_a_number_are_a_line_over_an_area(make_result: Any) -> None:
    spec = spec_of(make_result, ("day", "date", DAYS), ("n", "integer", list(range(40))))
    assert marks(spec) == ["area", "line", "point", "text"]
    assert spec["encoding"]["x"]["scale"] == {"type": "utc"}


def test_a_line_that_goes_below_zero_has_no_area(make_result: Any) -> None:
    spec = spec_of(make_result, ("day", "date", DAYS), ("n", "float", [-1.0, *range(39)]))
    assert marks(spec) == ["line", "point", "text"]


def test_counts_of_a_few_series_are_stacked(make_result: Any) -> None:
    spec = spec_of(
        make_result,
        ("day", "date", [day for day in DAYS for _ in range(3)]),
        ("plan", "text", ["free", "team", "business"] * 40),
        ("companies", "integer", [5] * 120),
    )
    assert spec["mark"]["type"] == "area"
    assert spec["encoding"]["color"]["scale"]["domain"] == ["free", "team", "business"]


def test_shares_of_a_few_series_are_lines(make_result: Any) -> None:
    spec = spec_of(
        make_result,
        ("day", "date", DAYS * 2),
        ("plan", "text", ["free"] * 40 + ["team"] * 40),
        ("share", "float", [0.5] * 80),
    )
    assert spec["mark"]["type"] == "line"


def test_several_numbers_over_time_are_lines_by_name(make_result: Any) -> None:
    spec = spec_of(
        make_result, ("day", "date", DAYS), ("a", "float", [1.5] * 40), ("b", "float", [2.5] * 40)
    )
    assert spec["mark"]["type"] == "line"
    assert spec["encoding"]["color"]["scale"]["domain"] == ["a", "b"]


def test_too_many_series_are_no_chart(make_result: Any) -> None:
    spec = spec_of(
        make_result,
        ("day", "date", DAYS),
        ("person", "text", [f"person-{n}" for n in range(40)]),
        ("n", "integer", [1] * 40),
    )
    assert spec is None


def test_a_text_and_a_number_are_bars_as_given_at_most_twenty(make_result: Any) -> None:
    spec = spec_of(
        make_result,
        ("feature", "text", [f"feature {n}" for n in range(30)]),
        ("times", "integer", [30 - n for n in range(30)]),
    )
    values = spec["data"]["values"]
    assert marks(spec) == ["bar", "text"]
    assert [value["y"] for value in values] == [f"feature {n}" for n in range(20)]


def test_bars_that_share_a_name_are_no_chart(make_result: Any) -> None:
    columns = (("who", "text", ["Alice", "Alice", "Bob"]), ("n", "integer", [1, 2, 3]))
    assert spec_of(make_result, *columns) is None


def test_two_numbers_are_a_cloud(make_result: Any) -> None:
    spec = spec_of(make_result, ("a", "integer", [1, 2, 3]), ("b", "float", [1.0, 2.0, None]))
    assert marks(spec) == ["point"]
    assert len(spec["data"]["values"]) == 2


@pytest.mark.parametrize(
    "columns",
    [
        (("a", "text", ["x", "y"]),),
        (("a", "integer", [1, 2]),),
        (("a", "text", ["x", "y"]), ("b", "text", ["x", "y"])),
        (("a", "date", [DAYS[0], DAYS[0]]), ("n", "integer", [1, 2])),
        (("a", "text", ["x", "y"]), ("n", "integer", pa.array([None, None], pa.int64()))),
    ],
    ids=["one text", "one number", "two texts", "one moment", "no values"],
)
def test_other_shapes_have_no_chart(make_result: Any, columns: Any) -> None:
    assert spec_of(make_result, *columns) is None


def test_many_rows_are_thinned_evenly(make_result: Any) -> None:
    at = [datetime(2026, 1, 1) + timedelta(minutes=n) for n in range(5001)]  # noqa: DTZ001
    spec = spec_of(make_result, ("at", "time", at), ("n", "integer", list(range(5001))))
    drawn = [value["y"] for value in spec["data"]["values"]]
    assert drawn == list(range(0, 5001, 3))


def test_values_beyond_python_and_json_do_not_break_a_chart(make_result: Any) -> None:
    spec = spec_of(
        make_result,
        ("day", "date", pa.array([2_932_906, 0, 1, 2], pa.date32())),
        ("n", "float", [5.0, float("inf"), 1.0, float("nan")]),
    )
    json.dumps(spec, allow_nan=False)
    assert chart.draw(spec, theme="light", width=320, height=120)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(320, 120), (760, 320)])
def test_a_drawing_has_exactly_its_size_and_no_ground(
    make_result: Any, theme: Literal["light", "dark"], width: int, height: int
) -> None:
    spec = spec_of(make_result, ("day", "date", DAYS), ("n", "integer", list(range(40))))
    svg = ET.fromstring(chart.draw(spec, theme=theme, width=width, height=height))
    assert (svg.get("width"), svg.get("height")) == (str(width), str(height))
    accent = {"light": "#0f766e", "dark": "#2dd4bf"}[theme]
    assert accent in ET.tostring(svg, encoding="unicode")


NASTY = [
    "<script>alert(1)</script>",
    '"onload="alert(1)',
    "javascript:alert(1)",
    "]]><svg onload=alert(1)>",
    "&lt;script&gt;",
    "datum.x = 1",
    "a.b['c'][0]",
]


@pytest.mark.parametrize("make", ["bars", "series", "cloud"])
def test_text_from_data_injects_nothing(make_result: Any, make: str) -> None:
    columns: dict[str, Callable[[], Any]] = {
        "bars": lambda: (("<script>", "text", NASTY), ("n", "integer", list(range(7)))),
        "series": lambda: (
            ("day", "date", DAYS[:2] * 7),
            ("<script>", "text", [text for text in NASTY for _ in range(2)]),
            ("n", "integer", list(range(14))),
        ),
        "cloud": lambda: (("<script>", "integer", [1, 2]), ('"onload="', "float", [1.0, 2.0])),
    }
    arrays = [(field, type_, pa.array(values)) for field, type_, values in columns[make]()]
    spec = chart.spec(make_result(*arrays), title="<script>alert(1)</script>")
    assert spec is not None
    svg = ET.fromstring(chart.draw(spec, theme="light", width=760, height=320))
    for element in svg.iter():
        assert element.tag.rpartition("}")[2] in {
            "svg", "g", "path", "text", "rect", "line", "defs", "linearGradient", "stop",
            "clipPath",
        }  # fmt: skip
        assert not [name for name in element.attrib if name.lower().startswith("on")]
        assert "javascript" not in "".join(element.attrib.get("href", ""))


def test_a_drawing_loads_nothing_from_anywhere() -> None:
    spec = {
        "data": {"url": "https://example.com/data.json"},
        "usermeta": {"kind": "bars"},
        "mark": "bar",
        "encoding": {"x": {"field": "a"}, "y": {"field": "b"}},
    }
    with pytest.raises(Exception, match=r"(?i)url|values"):
        chart.draw(spec, theme="light", width=320, height=120)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("line", [("day", "date", [date(2026, 3, 1), date(2026, 3, 2)]), ("n", "integer", [3, 5])]),
        ("bars", [("plan", "text", ["pro", "free"]), ("n", "integer", [3, 5])]),
    ],
)
def test_a_specification_is_what_review_has_read(
    make_result: Any, golden: Callable[[str, str], None], name: str, columns: Any
) -> None:
    spec = spec_of(make_result, *columns)
    golden(f"chart-{name}.json", json.dumps(spec, indent=2, ensure_ascii=False) + "\n")
