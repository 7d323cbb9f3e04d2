"""What the pages need from the rooms below, put together once by `app.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from turnout.access.keys import WriteKeys
from turnout.access.links import Links
from turnout.access.people import People
from turnout.clips.cache import Answers
from turnout.clips.clip import Clips
from turnout.clips.follower import Follower
from turnout.config import Config
from turnout.state import State
from turnout.sync.standing import Standing
from turnout.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Rooms:
    """Every room a page may ask. The site opens and closes none of them."""

    config: Config
    state: State
    people: People
    links: Links
    keys: WriteKeys
    clips: Clips
    answers: Answers
    follower: Follower
    warehouse: Warehouse
    backlog_bytes: Callable[[], int]  # of the journal: events accepted and not loaded yet
    standings: Callable[[], Mapping[str, Standing]] = dict  # of the copied sources, by name
    # Begin anew with the settings as they are now; None where nobody would start us again.
    renew: Callable[[], None] | None = None
