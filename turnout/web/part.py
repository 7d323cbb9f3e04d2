"""A part of an answer: some of its rows, under the same fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import pyarrow as pa

from turnout.clips.result import Result


@dataclass(frozen=True, slots=True)
class Part(Result):
    """The rows from `first` to before `end`; `row_count` still counts the whole answer."""

    first: int = 0
    end: int = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        position = 0
        for batch in Result.batches(self):
            begin, end = max(self.first - position, 0), min(self.end - position, batch.num_rows)
            if begin < end:
                yield batch.slice(begin, end - begin)
            position += batch.num_rows
            if position >= self.end:
                return


def part_of(result: Result, offset: int, limit: int | None) -> Result:
    """`result` from row `offset` on, at most `limit` rows; itself when that is all of it."""
    first = min(offset, result.row_count)
    end = result.row_count if limit is None else min(first + limit, result.row_count)
    if (first, end) == (0, result.row_count):
        return result
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    # Whatever is kept of it elsewhere is kept by its ETag.
    values["etag"] = f"{result.etag}-{first}-{end}"
    return Part(**values, first=first, end=end)
