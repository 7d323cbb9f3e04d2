"""Kinds of numbers that settings are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1)]
# At most a year: infinity is a float too, and nothing waits that long.
Seconds = Annotated[float, Meta(gt=0, le=366 * 86_400)]
