from __future__ import annotations

import asyncio
import json

import pytest

from tests.events.door.conftest import MADE_AT, Door
from tests.events.rsgi import Exchange, ask
from turnout.access.keys import WriteKey
from turnout.errors import JournalUnavailable
from turnout.events.door import strangers
from turnout.events.door.strangers import Strangers

EVENT = json.dumps({"userId": "alice", "event": "Signed In"}).encode()
NEW = WriteKey("new-key", "web", "analytics", MADE_AT, None)


async def track(door: Door, key: str) -> Exchange:
    body = {"userId": "alice", "event": "Signed In", "writeKey": key}
    return await ask(door.collector, "POST", "/v1/track", content=json.dumps(body).encode())


async def reading(door: Door, *keys: WriteKey) -> None:
    """What the process does that reads the keys: once, for whoever waits by then."""
    await door.collector.strangers.come(5)
    waiting = door.collector.strangers.take()
    door.collector.keys = {key.key: key for key in keys}
    door.collector.strangers.tell(waiting)


def test_a_key_made_after_the_last_reading_is_taken(door: Door) -> None:
    async def scene() -> Exchange:
        door.collector.strangers.take()
        answer, _ = await asyncio.gather(track(door, "new-key"), reading(door, NEW))
        return answer

    assert asyncio.run(scene()).status == 200
    assert len(door.paper.lines) == 1


def test_a_key_that_stays_unknown_is_refused_and_not_waited_for_again(door: Door) -> None:
    async def scene() -> list[int]:
        door.collector.strangers.take()
        first, _ = await asyncio.gather(track(door, "no-key"), reading(door, NEW))
        again = await asyncio.wait_for(track(door, "no-key"), 1)
        return [first.status, again.status]

    assert asyncio.run(scene()) == [401, 401]


def test_while_the_keys_cannot_be_read_nobody_is_refused_for_good(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "WAIT_S", 0.01)

    async def scene() -> Exchange:
        door.collector.strangers.take()
        return await track(door, "new-key")

    answer = asyncio.run(scene())
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_a_crowd_of_strangers_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "WAITING_MAX", 1)

    async def scene() -> None:
        crowd = Strangers()
        crowd.take()
        first = asyncio.create_task(crowd.are_late("one"))
        await asyncio.sleep(0)
        with pytest.raises(JournalUnavailable, match="Too many"):
            await crowd.are_late("two")
        crowd.tell(crowd.take())
        assert await first

    asyncio.run(scene())


def test_the_image_of_a_key_made_this_moment_is_taken_too(door: Door) -> None:
    async def scene() -> None:
        door.collector.strangers.take()
        path = "/v1/pixel/track?writeKey=new-key&userId=alice&event=Opened"
        await asyncio.gather(ask(door.collector, "GET", path), reading(door, NEW))

    asyncio.run(scene())
    assert len(door.paper.lines) == 1
