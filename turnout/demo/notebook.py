"""What the demo remembers between two starts, in `demo.json`; the file also marks its home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from turnout.errors import HomeUnusable

FILE_NAME = "demo.json"


@dataclass(frozen=True, slots=True)
class Notebook:
    """The world's two numbers, and how far it has been told."""

    seed: int
    today: date
    # Everything that arrives before this instant has been acknowledged.
    sent_until: datetime
    # The product database is as the world was then.
    filled_until: datetime

    def save(self, home: Path, **changes: Any) -> Self:
        """Write it with `changes`, whole or not at all, and return what was written."""
        book = replace(self, **changes)
        aside = home / f"{FILE_NAME}.new"
        aside.write_text(json.dumps(asdict(book), default=str, indent=2) + "\n", encoding="utf-8")
        os.replace(aside, home / FILE_NAME)  # noqa: PTH105 - replaces, which rename need not
        return book


def read_notebook(home: Path) -> Notebook | None:
    """The notebook of that home; None when it never held a demo."""
    path = home / FILE_NAME
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Notebook(
            seed=int(told["seed"]),
            today=date.fromisoformat(told["today"]),
            sent_until=datetime.fromisoformat(told["sent_until"]),
            filled_until=datetime.fromisoformat(told["filled_until"]),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeUnusable(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise HomeUnusable(
            f"{path} is not what the demo wrote there.",
            hint="Begin anew with make demo FRESH=1 (or turnout demo --fresh).",
        ) from None
