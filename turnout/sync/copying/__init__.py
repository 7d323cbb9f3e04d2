"""Copies of chosen tables: whole, or what is new in them; landed aside and let in together."""

from turnout.sync.copying.copy import copy, copy_whole
from turnout.sync.copying.reading import OF_ONE_TABLE
from turnout.sync.copying.staging import drop_staging

__all__ = ["OF_ONE_TABLE", "copy", "copy_whole", "drop_staging"]
