"""Changes of a source, applied to its copied tables: the same for every kind of source."""

from turnout.sync.changes.unit import Unit

__all__ = ["Unit"]
