"""What an offer is made from; each kind of source fills it in its `look.py`."""

from turnout.sync.facts import ColumnFacts, Looking, Reference, ServerFacts, TableFacts

__all__ = ["ColumnFacts", "Looking", "Reference", "ServerFacts", "TableFacts"]
