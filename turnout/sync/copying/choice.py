"""What turnout.toml says of a table that decides which values are copied, as comparable text."""

from __future__ import annotations

import json
from typing import Any

from turnout.sync.privacy.keyed import Keyed
from turnout.sync.selection import SelectedTable


def choice_of(selected: SelectedTable, secret: bytes) -> str:
    """The choice, as JSON. A copy made by another one cannot be gone on with."""
    settings = selected.settings
    return json.dumps(
        {
            "columns": {
                name: _way(selected, name, Keyed(secret).id) for name in sorted(selected.columns)
            },
            "where": settings.where,
            "key": settings.key,
            "history": settings.history,
            "tracked": sorted(settings.tracked),
            "created_at": settings.created_at,
        },
        sort_keys=True,
    )


def read_otherwise(before: str, now: str) -> frozenset[str]:
    """Columns whose values are treated in another way now: older ones must not stay."""
    was, is_ = _columns(before), _columns(now)
    return frozenset(name for name, way in is_.items() if name in was and was[name] != way)


def is_filtered_otherwise(before: str, now: str) -> bool:
    """Whether other rows are selected now."""
    return bool(before) and json.loads(before)["where"] != json.loads(now)["where"]


def kept_history(before: str) -> bool:
    """Whether a history was kept."""
    return bool(before) and bool(json.loads(before)["history"])


def _way(selected: SelectedTable, name: str, key_id: str) -> list[Any]:
    word = selected.settings.treat.get(name, "keep")
    keys = selected.settings.json_keys.get(name)
    return [word, key_id if word.startswith("hash") else "", None if keys is None else sorted(keys)]


def _columns(choice: str) -> dict[str, Any]:
    return dict(json.loads(choice)["columns"]) if choice else {}
