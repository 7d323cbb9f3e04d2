"""The binary log as the server sends it: events from a place on, up to its end.

The log is asked for without waiting: at its end the server says so, and the connection ends.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from pymysql.constants import COMMAND

from turnout.sync.mysql.connection import Session
from turnout.sync.mysql.position import MySQLDone, Position

# One packet begins with a zero, then comes the event's header: when, kind, which server wrote it,
# size, where the next one is, flags.
HEADER = struct.Struct("<xIBIIIH")
CHECKSUM_BYTES = 4
# A log's first place.
START = 4
NO_WAIT, BY_GTID = 0x01, 0x04
# As other readers choose theirs, of which no two may be the same.
SERVER_ID_MIN = 2**31
# Flags of an event that was made up while sending: it is in no file.
ARTIFICIAL = 0x20


class Kind(IntEnum):
    """Events that mean something here."""

    QUERY = 2
    ROTATE = 4
    FORMAT = 15
    XID = 16
    TABLE_MAP = 19
    WRITE_V1 = 23
    UPDATE_V1 = 24
    DELETE_V1 = 25
    WRITE = 30
    UPDATE = 31
    DELETE = 32
    GTID = 33
    ANONYMOUS = 34
    XA_PREPARE = 38
    PARTIAL_UPDATE = 39
    PAYLOAD = 40
    TAGGED = 42
    MARIADB_GTID = 162
    MARIADB_QUERY_COMPRESSED = 165
    MARIADB_WRITE_COMPRESSED_V1 = 166
    MARIADB_UPDATE_COMPRESSED_V1 = 167
    MARIADB_DELETE_COMPRESSED_V1 = 168
    MARIADB_WRITE_COMPRESSED = 169
    MARIADB_UPDATE_COMPRESSED = 170
    MARIADB_DELETE_COMPRESSED = 171


@dataclass(frozen=True, slots=True)
class Event:
    """One event: when it was written (seconds since 1970), its kind, server and body."""

    at_s: int
    kind: int
    server_id: int
    body: bytes
    # Where the log goes on after it.
    file: str
    next: int


def events(session: Session, after: Position) -> Iterator[Event]:
    """Every event after that position, up to the end of the log.

    Raises what the driver raises; 1236 when the server does not have the log from there on.
    """
    _ask(session, after)
    connection = session.connection
    checksum_bytes = CHECKSUM_BYTES
    file = ""
    while True:
        packet = connection._read_packet()  # noqa: SLF001 - the driver knows no logs
        if packet.is_eof_packet():
            return
        data = packet.get_all_data()
        at_s, kind, server_id, _, following, flags = HEADER.unpack_from(data)
        body = data[HEADER.size :]
        if kind == Kind.FORMAT:
            # Its last bytes say how the events that follow end; it ends with a checksum anyway.
            checksum_bytes = CHECKSUM_BYTES if body[-CHECKSUM_BYTES - 1] else 0
            continue
        if kind == Kind.ROTATE:
            # One that is made up may lack the checksum; no file's name ends like one.
            file = _file(body, checksum_bytes)
            continue
        if flags & ARTIFICIAL:
            continue
        if checksum_bytes:
            body = body[:-checksum_bytes]
        yield Event(at_s, kind, server_id, body, file, following)


def uncompressed(data: bytes) -> bytes:
    """What MariaDB has compressed: a byte that says how long its length is, that, and the rest."""
    length_bytes = data[0] & 0x07
    return zlib.decompress(data[1 + length_bytes :])


def _ask(session: Session, after: Position) -> None:
    session.rows("SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'")
    session.rows("SET @mariadb_slave_capability = 4")
    server_id = SERVER_ID_MIN + secrets.randbelow(SERVER_ID_MIN)
    if after.file:
        command, body = _by_file(server_id, after.file, after.offset)
    elif session.server.is_mariadb:
        session.rows("SET @slave_connect_state = %s", [after.gtids])
        session.rows("SET @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0")
        command, body = _by_file(server_id, "", START)
    else:
        command, body = _by_gtid(server_id, MySQLDone(after.gtids).encoded)
    session.connection._execute_command(command, body)  # noqa: SLF001 - the driver knows no logs


def _by_file(server_id: int, file: str, offset: int) -> tuple[int, bytes]:
    body = struct.pack("<IHI", offset, NO_WAIT, server_id) + file.encode()
    return COMMAND.COM_BINLOG_DUMP, body


def _by_gtid(server_id: int, gtids: bytes) -> tuple[int, bytes]:
    # No file by name; three zeros stand for that.
    head = struct.pack("<HII3xQI", NO_WAIT | BY_GTID, server_id, 3, START, len(gtids))
    return COMMAND.COM_BINLOG_DUMP_GTID, head + gtids


def _file(body: bytes, checksum_bytes: int) -> str:
    """The name of the log's next file, after its first place in it."""
    name = body[8:]
    if checksum_bytes and not name[-checksum_bytes:].isdigit():
        name = name[:-checksum_bytes]
    return name.decode(errors="replace")
