"""Loading and upkeep never work at the same time, and upkeep need not wait for a pause."""

import threading

from turnout.jobs.turns import Turns


def test_loading_hears_that_upkeep_waits_and_lets_it_in() -> None:
    turns = Turns()
    order: list[str] = []

    def upkeep() -> None:
        with turns.upkeep():
            order.append("upkeep")

    waiting = threading.Thread(target=upkeep)
    with turns.loading():
        waiting.start()
        while not turns.is_wanted:
            pass
        order.append("loading")
    waiting.join()
    assert order == ["loading", "upkeep"]
    assert not turns.is_wanted
