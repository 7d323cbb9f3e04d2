"""Keys that an object has twice: the last value counts, as it does at the door.

The engine takes the first here and the last there. Events come in few shapes, so what is looked
at for repeats is each shape once; only lines of such a shape are written anew.
"""

from __future__ import annotations

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from turnout.events.engine import Engine

# The keys of an event and of its parts; all of them in one reading of the line.
KEYS = "json_keys(line, ['/event', '/event/properties', '/event/traits', '/event/context'])"

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def mended(engine: Engine, lines: pa.Table) -> pa.Table:
    """`lines`, those with a repeated key written anew; nearly always `lines` themselves."""
    try:
        shapes = engine.rows(
            f"SELECT any_value(keys) FROM (SELECT {KEYS} AS keys FROM lines) GROUP BY hash(keys)",
            lines=lines,
        )
    except duckdb.InvalidInputException:
        return lines  # one of them is no JSON, which is dealt with where lines are read
    if not any(len(set(keys)) < len(keys) for (shape,) in shapes for keys in shape or () if keys):
        return lines
    return _written_anew(engine, lines)


def with_keys_once(text: bytes | msgspec.Raw) -> bytes:
    """JSON in which each object has a key once, with the last of its values; else `text` itself."""
    try:
        start = bytes(memoryview(text)[:1])
        if start == b"{":
            members = _decode_members(text)
            return _encode({key: msgspec.Raw(with_keys_once(members[key])) for key in members})
        if start == b"[":
            return _encode([msgspec.Raw(with_keys_once(item)) for item in _decode_items(text)])
    except (msgspec.MsgspecError, RecursionError):
        pass
    return bytes(text)


def _written_anew(engine: Engine, lines: pa.Table) -> pa.Table:
    repeats = f"list_bool_or(list_transform({KEYS}, lambda k: len(k) > len(list_distinct(k))))"
    mask = engine.table(f"SELECT coalesce({repeats}, false) AS mask FROM lines", lines=lines)
    flags = mask["mask"].combine_chunks()
    texts = lines["line"].combine_chunks()
    anew = [with_keys_once(text.encode()).decode() for text in texts.filter(flags).to_pylist()]
    replaced = pc.replace_with_mask(texts, flags, pa.array(anew, texts.type))
    batch_rows = max((len(chunk) for chunk in lines["line"].chunks), default=1)
    table = pa.table({"line": replaced})
    return pa.Table.from_batches(table.to_batches(max_chunksize=batch_rows), table.schema)
