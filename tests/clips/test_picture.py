from __future__ import annotations

import struct
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from turnout.clips.picture import as_png, picture

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    """Every text, and a proof that it is well-formed."""
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_one_number_is_large(make_result: Any) -> None:
    result = make_result(("paying_percent", "float", pa.array([41.25])))
    said = texts(picture(result, title="Who pays?", theme="light"))
    assert said[:3] == ["Who pays?", "41.2 %", "paying"]
    assert said[-1] == "as of 2 March 2026, 09:00 UTC · 1 row"


def test_a_shape_that_allows_a_chart_is_drawn(make_result: Any) -> None:
    result = make_result(
        ("plan", "text", pa.array(["free", "pro"])), ("companies", "integer", pa.array([3, 4]))
    )
    svg = picture(result, title="Plans", theme="dark")
    assert svg.count(b"<svg") == 2
    assert {"free", "pro", "Plans"} <= set(texts(svg))


def test_anything_else_is_a_table_as_far_as_there_is_room(make_result: Any) -> None:
    columns = [(f"column {n}", "text", pa.array(["x" * 50, None] * 30)) for n in range(9)]
    svg = picture(make_result(*columns), title="Wide", theme="light")
    said = texts(svg)
    assert "column 0" in said
    assert "column 8" not in said
    assert f"{'x' * 35}…" in said
    assert said[-1].endswith("60 rows")
    width = float(str(ET.fromstring(svg).get("width")))
    assert width == 960


def test_nothing_is_said_to_be_nothing(make_result: Any) -> None:
    empty = make_result(("n", "integer", pa.array([], pa.int64())))
    assert "No rows." in texts(picture(empty, title="None", theme="light"))


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "&amp;]]>", "\x00\x0b\ufffe", "''\""]
)
def test_whatever_is_in_the_data_stays_text(make_result: Any, text: str) -> None:
    result = make_result((text, "text", pa.array([text, "a", "b"])))
    svg = picture(result, title=text, theme="light")
    texts(svg)
    assert b"<script" not in svg


def test_points_are_twice_as_many_as_pixels(make_result: Any) -> None:
    png = as_png(picture(make_result(("n", "integer", pa.array([7]))), title="n", theme="light"))
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">I", png[16:20]) == (1920,)
