from __future__ import annotations

import threading

from turnout.warehouse.turn import Turn


def test_who_waits_comes_before_who_lets_go() -> None:
    turn, order = Turn(), list[str]()
    waits = threading.Event()

    def other() -> None:
        waits.set()
        with turn:
            order.append("other")

    with turn:
        thread = threading.Thread(target=other)
        thread.start()
        waits.wait(5)
        while not turn._next.locked():  # until it has the next turn
            pass
    for _ in range(3):
        with turn:
            order.append("first")
    thread.join(5)
    assert order == ["other", "first", "first", "first"]


def test_its_holder_may_take_it_again() -> None:
    turn = Turn()
    with turn, turn:
        pass
    done = threading.Event()

    def other() -> None:
        with turn:
            done.set()

    threading.Thread(target=other).start()
    assert done.wait(5)
