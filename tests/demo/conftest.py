"""Small worlds, and the warehouse as the loader and the copier would leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from turnout.demo.activity import Event
from turnout.demo.clips import DemoClip
from turnout.demo.delivery import Delivery, deliveries
from turnout.demo.rows import COLUMNS, SELECTION, rows_at
from turnout.demo.world import World, build

EVENT_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("timestamp", pa.timestamp("us")),
        ("user_id", pa.string()),
        ("event_text", pa.string()),
        ("context_group_id", pa.string()),
        ("context_campaign_name", pa.string()),
        ("city", pa.string()),
        ("country", pa.string()),
    ]
)


class SmallWarehouse:
    """An in-memory DuckDB holding what a world's tables and events become."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("CREATE SCHEMA analytics; CREATE SCHEMA userdata")

    def fill(self, world: World, at: datetime, delivered: list[Delivery]) -> None:
        valid = {d.event.message_id: d.event for d in delivered if d.event.reason is None}
        tracks = [event for event in valid.values() if event.type == "track"]
        self._put("analytics.tracks", _events(tracks))
        for table, name in (
            ("pressed_big_button", "Pressed Big Button"),
            ("legacy_export_used", "Legacy Export Used"),
            ("signed_up", "Signed Up"),
        ):
            self._put(f"analytics.{table}", _events([e for e in tracks if e.name == name]))
        for table, rows in rows_at(world, at).items():
            self._put(f"userdata.{table}", _selected(table, rows))

    def answer(self, clip: DemoClip, today: date) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Fields and rows of the clip asked on `today`: the clock is put into its text."""
        sql = clip.sql.replace("current_date", f"DATE '{today}'")
        answer = self._connection.sql(sql)
        return answer.columns, answer.fetchall()

    def close(self) -> None:
        self._connection.close()

    def _put(self, name: str, rows: pa.Table) -> None:
        self._connection.register("arrow_rows", rows)
        self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arrow_rows")
        self._connection.unregister("arrow_rows")


def _events(events: list[Event]) -> pa.Table:
    rows = [
        {
            "id": event.message_id,
            "timestamp": _plain(event.at),
            "user_id": event.user_id,
            "event_text": event.name,
            "context_group_id": event.group_id,
            "context_campaign_name": event.context.get("campaign", {}).get("name"),
            "city": event.properties.get("city"),
            "country": event.properties.get("country"),
        }
        for event in events
    ]
    return pa.Table.from_pylist(rows, EVENT_COLUMNS)


def _selected(table: str, rows: list[tuple[Any, ...]]) -> pa.Table:
    places = [COLUMNS[table].index(column) for column in SELECTION[table]]
    columns = {
        COLUMNS[table][place]: pa.array([_plain(row[place]) for row in rows], _type(table, place))
        for place in places
    }
    return pa.table(columns)


def _type(table: str, place: int) -> pa.DataType | None:
    return pa.timestamp("us") if COLUMNS[table][place].endswith("_at") else None


def _plain(value: Any) -> Any:
    """As the warehouse keeps it: times without their zone, in UTC; ids as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return str(value) if type(value).__name__ == "UUID" else value


@pytest.fixture
def small_warehouse() -> Iterator[Callable[[], SmallWarehouse]]:
    made: list[SmallWarehouse] = []

    def make() -> SmallWarehouse:
        made.append(SmallWarehouse())
        return made[-1]

    yield make
    for warehouse in made:
        warehouse.close()


@pytest.fixture(scope="session")
def world() -> World:
    return build(11, date(2026, 3, 17), companies=30)


@pytest.fixture(scope="session")
def history(world: World) -> list[Delivery]:
    return list(deliveries(world, world.history_start, world.history_end))
