"""Values that a change does not send because they did not change: where they are instead.

A long value is sent when it is written, not again with each change of its row. It stands in an
earlier change of the same row, or in the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from turnout.sync.changes.reduce import MOVED, OPERATION, ORDER, UNCHANGED, WRITTEN
from turnout.warehouse import Table, Transaction

CHAIN, PLACE = "_chain", "_place"
# In place of a row's number: nothing is known of the value.
UNKNOWN = -1


def filled(
    transaction: Transaction, table: Table, columns: Sequence[str], rows: pa.Table
) -> tuple[pa.Table, bool]:
    """`rows` with every value of its `columns`, and whether some could not be found.

    `columns` are in the order of the bits of `_unchanged`, which is gone afterwards; `table` is
    the copied one, with its key.
    """
    masks = {mask: _bits(mask) for mask in pc.unique(rows[UNCHANGED]).to_pylist() if mask}
    if not masks:
        return rows.drop_columns([UNCHANGED]), True
    type_ = rows[UNCHANGED].type
    wanted = {
        name: pa.array([mask for mask, bits in masks.items() if bits >> bit & 1], type_)
        for bit, name in enumerate(columns)
        if any(bits >> bit & 1 for bits in masks.values())
    }
    before = _before(transaction, table, list(wanted), rows, pa.array(list(masks), type_))
    every = pa.concat_tables([before, rows]).combine_chunks()
    chains = _chains(every, table.key)
    filled_rows, is_complete = every, True
    for name, unsent in wanted.items():
        filled_rows, found = _fill(filled_rows, chains, unsent, name)
        is_complete = is_complete and found
    return filled_rows.slice(before.num_rows).drop_columns([UNCHANGED]), is_complete


def _bits(mask: int | bytes) -> int:
    """A number of 64 bits does for most tables; for those with more columns it is bytes."""
    return mask if isinstance(mask, int) else int.from_bytes(mask, "little")


def _before(
    transaction: Transaction,
    table: Table,
    names: Sequence[str],
    rows: pa.Table,
    unsent: pa.Array,
) -> pa.Table:
    """How the rows that matter are in the warehouse, as if they had been written first.

    `unsent` are the masks of rows of which something is not sent.
    """
    is_unsent = pc.is_in(rows[UNCHANGED], value_set=unsent)
    matters = pc.or_(is_unsent, pc.equal(rows[OPERATION], MOVED))
    keys = rows.filter(matters).select(list(table.key)).combine_chunks()
    there = transaction.find(table, keys)
    known = {*table.key, *names}
    all_sent = 0 if pa.types.is_integer(unsent.type) else b""
    values: dict[str, int | bytes] = {OPERATION: WRITTEN, ORDER: UNKNOWN, UNCHANGED: all_sent}
    arrays = [
        there[field.name].cast(field.type)
        if field.name in known
        else _constant(values.get(field.name), there.num_rows, field.type)
        for field in rows.schema
    ]
    return pa.Table.from_arrays(arrays, schema=rows.schema)


def _constant(value: int | bytes | None, length: int, type_: pa.DataType) -> pa.Array:
    return pa.nulls(length, type_) if value is None else pa.repeat(pa.scalar(value, type_), length)


def _chains(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    """Per row a number that all changes of the same row share, whatever its key was meanwhile."""
    codes = _codes(rows[key[0]])
    for name in key[1:]:
        further = _codes(rows[name])
        width = (pc.max(further).as_py() or 0) + 1
        codes = _codes(pc.add(pc.multiply(codes, width), further))
    operations = rows[OPERATION]
    if not pc.any(pc.equal(operations, MOVED)).as_py():
        return codes
    return pa.array(_moving(codes.to_pylist(), operations.to_pylist()), pa.int64())


def _codes(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return pc.fill_null(pc.dictionary_encode(values).indices.cast(pa.int64()), UNKNOWN)


def _moving(codes: Sequence[int], operations: Sequence[int]) -> Iterator[int]:
    """A row that moves takes its chain along; what comes to its old key is another one."""
    chains: dict[int, int] = {}
    fresh = count(max(codes) + 1)
    taken: int | None = None
    for code, operation in zip(codes, operations, strict=True):
        if taken is not None:
            chains[code], taken = taken, None
        chain = chains.get(code, code)
        if operation == MOVED:
            chains[code], taken = next(fresh), chain
        yield chain


def _fill(rows: pa.Table, chains: pa.Array, unsent: pa.Array, name: str) -> tuple[pa.Table, bool]:
    """The column with each missing value taken from the change before it in its chain.

    It is missing where the mask is one of `unsent`.
    """
    places = pa.array(range(rows.num_rows), pa.int64())
    is_written = pc.equal(rows[OPERATION], WRITTEN).combine_chunks()
    is_sent = pc.invert(pc.is_in(rows[UNCHANGED], value_set=unsent)).combine_chunks()
    known = pc.if_else(pc.and_(is_written, is_sent), places, None)

    order = pc.sort_indices(
        pa.table({CHAIN: chains, PLACE: places}),
        sort_keys=[(CHAIN, "ascending"), (PLACE, "ascending")],
    )
    sorted_chains, sorted_known = chains.take(order), known.take(order)
    begins = _begins(sorted_chains)
    sorted_known = pc.if_else(
        pc.and_(begins, pc.is_null(sorted_known)), pa.scalar(UNKNOWN, pa.int64()), sorted_known
    )
    from_where = pc.fill_null_forward(sorted_known).take(pc.sort_indices(order))

    needs = pc.and_(is_written, pc.invert(is_sent))
    is_found = pc.greater(from_where, UNKNOWN)
    source = pc.if_else(pc.and_(needs, is_found), from_where, places)
    column = rows[name].combine_chunks().take(source)
    place = rows.schema.get_field_index(name)
    is_complete = not pc.any(pc.and_(needs, pc.invert(is_found))).as_py()
    return rows.set_column(place, rows.schema.field(name), column), is_complete


def _begins(sorted_chains: pa.Array) -> pa.Array:
    """Where another chain begins than the row before has."""
    if len(sorted_chains) == 1:
        return pa.array([True])
    differs = pc.not_equal(sorted_chains.slice(1), sorted_chains.slice(0, len(sorted_chains) - 1))
    return pa.concat_arrays([pa.array([True]), differs])
