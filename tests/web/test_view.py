from __future__ import annotations

import pytest
from litestar.datastructures import MultiDict

from turnout.errors import BadRequest
from turnout.web.view import CHART, DATA, PAGE, PART, View, read_view

CSV, JSON = DATA["csv"], DATA["json"]


def test_without_a_query_everything_is_asked_for() -> None:
    assert read_view(MultiDict(), CSV) == View()


def test_each_name_is_read() -> None:
    query = MultiDict([("_limit", "10"), ("_offset", "20"), ("_raw", "1"), ("_header", "0")])
    assert read_view(query, CSV) == View(limit=10, offset=20, raw=True, header=False)
    assert read_view(MultiDict([("_shape", "objects")]), JSON) == View(shape="objects")


@pytest.mark.parametrize(
    ("known", "name", "value"),
    [
        (PAGE, "customer", "acme"),
        (CSV, "_shape", "objects"),
        (JSON, "_raw", "1"),
        (CSV, "_limit", "-1"),
        (CSV, "_limit", "ten"),
        (CSV, "_limit", "９"),
        (CSV, "_offset", "1" * 5000),
        (CSV, "_raw", "yes"),
        (JSON, "_shape", "<script>"),
        (PART, "_header", "0"),
        (CHART, "size", "1000000"),
        (CHART, "theme", "url(x)"),
    ],
)
def test_what_is_not_known_is_refused_by_name(known: frozenset[str], name: str, value: str) -> None:
    with pytest.raises(BadRequest, match=name):
        read_view(MultiDict([(name, value)]), known)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="more than once"):
        read_view(MultiDict([("_limit", "1"), ("_limit", "2")]), CSV)


def test_different_views_have_different_names() -> None:
    views = [View(), View(limit=1), View(offset=1), View(raw=True), View(shape="objects")]
    assert len({str(view) for view in views}) == len(views)
