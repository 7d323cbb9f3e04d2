"""A copy and a forgetting of one source never work at the same time."""

from __future__ import annotations

import threading
from typing import cast

from turnout.sync.turn import turn
from turnout.warehouse import Warehouse


class Nowhere:
    """Stands for a warehouse: only which one it is matters."""


def nowhere() -> Warehouse:
    return cast("Warehouse", Nowhere())


def test_the_second_waits_for_the_first_and_says_so() -> None:
    warehouse, order = nowhere(), []
    waits = threading.Event()

    def forget() -> None:
        with turn(warehouse, ["app", "billing"], lambda _: waits.set()):
            order.append("forgotten")

    with turn(warehouse, ["app"]):
        second = threading.Thread(target=forget)
        second.start()
        assert waits.wait(10)
        order.append("copied")
    second.join(10)
    assert order == ["copied", "forgotten"]


def test_other_sources_and_other_warehouses_wait_for_nobody() -> None:
    warehouse, done = nowhere(), []

    def work(which: Warehouse, source: str) -> None:
        with turn(which, [source]):
            done.append(source)

    with turn(warehouse, ["app"]), turn(warehouse, ["app"]):
        for which, source in ((warehouse, "billing"), (nowhere(), "app")):
            other = threading.Thread(target=work, args=(which, source))
            other.start()
            other.join(10)
    assert done == ["billing", "app"]
