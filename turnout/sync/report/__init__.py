"""The report for an auditor: every column that leaves a source, and every one that does not."""

from turnout.sync.report.faces import as_csv, as_json
from turnout.sync.report.report import Leaving, Report, SourceReport, TableReport, make_report

__all__ = [
    "Leaving",
    "Report",
    "SourceReport",
    "TableReport",
    "as_csv",
    "as_json",
    "make_report",
]
