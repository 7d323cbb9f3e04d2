"""A copy and a forgetting of one source never work at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import cast

import pytest

from turnout.sync.turn import alone, copying, following
from turnout.warehouse import Warehouse


class Nowhere:
    """Stands for a warehouse: only which one it is matters."""


@pytest.fixture
def warehouse() -> Warehouse:
    return cast("Warehouse", Nowhere())


def in_thread(turn: Callable[[], AbstractContextManager[None]], order: list[str]) -> None:
    """Have one's turn in another thread, to its end."""

    def work() -> None:
        with turn():
            order.append("other")

    other = threading.Thread(target=work)
    other.start()
    other.join(10)


@pytest.mark.parametrize("turn", [copying, following])
def test_forgetting_waits_for_a_copy_and_for_changes_and_hears_of_whom(
    warehouse: Warehouse, turn: Callable[[Warehouse, str], AbstractContextManager[None]]
) -> None:
    order: list[str] = []
    heard: list[str] = []
    waits = threading.Event()

    def waiting(source: str) -> None:
        heard.append(source)
        waits.set()

    def forget() -> None:
        with alone(warehouse, ["app", "billing"], waiting):
            order.append("forgotten")

    with turn(warehouse, "app"):
        second = threading.Thread(target=forget)
        second.start()
        assert waits.wait(10)
        order.append("done")
    second.join(10)
    assert order == ["done", "forgotten"]
    assert set(heard) == {"app"}


def test_whoever_waits_may_give_up(warehouse: Warehouse) -> None:
    given_up: list[bool] = []

    def give_up(_: str) -> None:
        raise TimeoutError

    def work() -> None:
        with pytest.raises(TimeoutError), copying(warehouse, "app", give_up):
            pass
        given_up.append(True)

    with copying(warehouse, "app"):
        other = threading.Thread(target=work)
        other.start()
        other.join(10)
    assert given_up


def test_changes_go_on_while_other_tables_are_copied(warehouse: Warehouse) -> None:
    order: list[str] = []
    with copying(warehouse, "app"):
        in_thread(lambda: following(warehouse, "app"), order)
        in_thread(lambda: copying(warehouse, "billing"), order)
        in_thread(lambda: alone(warehouse, ["billing"]), order)
        in_thread(lambda: copying(cast("Warehouse", Nowhere()), "app"), order)
    assert order == ["other"] * 4


def test_whoever_follows_changes_may_copy_and_does_not_wait_for_itself(
    warehouse: Warehouse,
) -> None:
    with following(warehouse, "app"), copying(warehouse, "app"), copying(warehouse, "app"):
        pass
    with alone(warehouse, ["app"]), copying(warehouse, "app"):
        pass
