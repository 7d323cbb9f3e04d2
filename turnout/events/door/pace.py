"""How a process that serves the door shares its time: between threads, and with the collector."""

from __future__ import annotations

import gc
import sys

# The server reads and writes in threads of its own, each of which needs the interpreter for a few
# microseconds a request. By Python's own 5 ms they would wait as long as a hundred requests take.
SWITCH_EVERY_S = 0.0002
# Requests leave no cycles behind; looking for some every 700 objects costs a twentieth of all time.
OBJECTS_BETWEEN_LOOKS = 50_000


def quicken() -> None:
    """To be called once, when everything is imported."""
    sys.setswitchinterval(SWITCH_EVERY_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 100)
