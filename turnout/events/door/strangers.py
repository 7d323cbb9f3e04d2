"""Requests whose write key is not known yet: they wait until the keys have been read anew.

A key is used the moment it is made, and a refusal makes nearly every library throw its events
away. So nobody is refused on the word of keys that were read before the question.
"""

from __future__ import annotations

import asyncio
import contextlib

from turnout.errors import JournalUnavailable

# Reading the keys takes milliseconds; who waited this long is told to come again.
WAIT_S = 2.0
# More requests than this do not wait: they are told to come again.
WAITING_MAX = 1_000
# Keys that stay unknown, as far as they are remembered: none of them is waited for twice.
REFUSED_MAX = 10_000
# No key of ours is longer, so whoever brings such a one need not be remembered, nor wait.
KEY_CHARS_MAX = 200


class Strangers:
    """Those who ask wait in `are_late`; who reads the keys serves them with the other words."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._came = asyncio.Event()
        self._is_served = False
        self._refused: set[str] = set()

    async def are_late(self, key: str) -> bool:
        """Whether the keys were read anew for `key`, so that looking again may find it.

        Raises `JournalUnavailable` when they cannot be read in time.
        """
        if not 0 < len(key) <= KEY_CHARS_MAX or not self._is_served or key in self._refused:
            return False
        if len(self._waiting) >= WAITING_MAX:
            raise JournalUnavailable("Too many unknown write keys at once; try again in a moment.")
        read = asyncio.get_running_loop().create_future()
        self._waiting.append(read)
        self._came.set()
        try:
            await asyncio.wait_for(read, WAIT_S)
        except TimeoutError:
            raise JournalUnavailable(
                "The write keys cannot be read; send the events again in a moment."
            ) from None
        return True

    def refuse(self, key: str) -> None:
        """Remember that `key` was not among the keys read after it was used."""
        if len(self._refused) < REFUSED_MAX and len(key) <= KEY_CHARS_MAX:
            self._refused.add(key)

    def take(self) -> list[asyncio.Future[None]]:
        """All who wait by now, before the keys are read; then `tell` them."""
        self._is_served = True
        self._came.clear()
        waiting, self._waiting = self._waiting, []
        return waiting

    def tell(self, waiting: list[asyncio.Future[None]]) -> None:
        """The keys have been read since `take` gave these."""
        for read in waiting:
            if not read.done():
                read.set_result(None)

    async def come(self, within_s: float) -> None:
        """Return when somebody waits, or after `within_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), within_s)
