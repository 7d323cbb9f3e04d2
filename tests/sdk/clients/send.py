"""Makes all six calls, then many tracks, with one Python library: `send.py MODULE URL KEY {…}`.

The last argument has the client's further options. Ends with 0 when nothing failed.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

CALLS = Path(__file__).with_name("calls.json")
TRACKS = 120


def main(module: str, url: str, key: str, options: str) -> int:
    problems: list[Any] = []
    # Some libraries are older than the Python they run on.
    warnings.simplefilter("ignore")
    client = importlib.import_module(module).Client(
        key, host=url, on_error=lambda error, _: problems.append(error), **json.loads(options)
    )
    for call in json.loads(CALLS.read_text()):
        make(client, call)
    for n in range(TRACKS):
        client.track("alice", "Counted", {"n": n})
    client.flush()
    client.join()
    sys.stderr.writelines(f"{problem!r}\n" for problem in problems)
    return len(problems)


def make(client: Any, call: dict[str, Any]) -> None:
    match call:
        case {"type": "alias", "previousId": old, "userId": user}:
            client.alias(old, user)
        case {"type": "identify", "userId": user, "traits": traits}:
            client.identify(user, traits)
        case {"type": "group", "userId": user, "groupId": group, "traits": traits}:
            client.group(user, group, traits)
        case {"type": "track", "userId": user, "event": event, "properties": properties}:
            client.track(user, event, properties)
        case {"category": category, "name": name, "properties": properties, "userId": user}:
            getattr(client, call["type"])(user, category, name, properties)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
