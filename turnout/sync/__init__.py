"""The company's own tables: chosen columns of a source database, copied into the warehouse."""

from turnout.sync.capture import Captured, Capturing, capture
from turnout.sync.checking import check
from turnout.sync.copying import copy, drop_staging
from turnout.sync.postgres.grants import grants
from turnout.sync.run import Progress, Run, TableCopied
from turnout.sync.selection import SelectedTable, selected_tables

__all__ = [
    "Captured",
    "Capturing",
    "Progress",
    "Run",
    "SelectedTable",
    "TableCopied",
    "capture",
    "check",
    "copy",
    "drop_staging",
    "grants",
    "selected_tables",
]
