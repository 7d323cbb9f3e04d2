"""Files of history become events like any others, once, whatever happens on the way."""

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.events.house import House
from tests.events.upkeeping import keep_up
from turnout.errors import FileUnreadable
from turnout.events.upkeep.file import EventFile
from turnout.events.upkeep.importing import Importer, load_imported


def event(**more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Imported", "userId": "alice"} | more


def written(folder: Path, text: str | bytes, name: str = "history.ndjson") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(*events: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in events)


def take_in(house: House, *paths: Path, source: str = "archive") -> dict[str, int]:
    importer = Importer(
        house.journal_folder,
        source,
        "analytics",
        ip="keep",
        event_bytes_max=50_000,
        segment_bytes_max=1_000_000,
    )
    try:
        for path in paths:
            file = EventFile(str(path))
            with contextlib.closing(file):
                importer.take(file, lambda _: None)
    finally:
        segments = importer.close()
    report = keep_up(
        house,
        load_imported,
        segments=segments,
        received_at=importer.received_at.isoformat(),
        source=source,
        schema="analytics",
        received=importer.tally.received,
    )
    counts = dict(report.result)
    assert counts["received"] == counts["stored"] + counts["duplicates"] + counts["rejected"]
    return counts


def test_a_file_taken_in_twice_is_stored_once(house: House, tmp_path: Path) -> None:
    path = written(tmp_path, lines(event(messageId="one"), event(), event(), event(userId="bob")))
    first, second = take_in(house, path), take_in(house, path)
    assert first == {"received": 4, "stored": 4, "duplicates": 0, "rejected": 0}
    assert second == {"received": 4, "stored": 0, "duplicates": 4, "rejected": 0}
    assert house.value("SELECT count(*) FROM analytics.imported") == 4


def test_a_line_mended_in_between_changes_no_other_lines_id(house: House, tmp_path: Path) -> None:
    take_in(house, written(tmp_path, lines(event(), event(userId="bob")) + "broken{\n"))
    mended = lines(event(), event(userId="bob"), event(userId="charlie"))
    assert take_in(house, written(tmp_path, mended))["stored"] == 1


def test_gzip_zstd_arrays_and_pretty_arrays_hold_the_same_events(
    house: House, tmp_path: Path
) -> None:
    events = [event(messageId=f"m{number}", properties={"t": '"],[{'}) for number in range(300)]
    text = lines(*events).encode()
    forms = [
        text,
        gzip.compress(text[:5000]) + gzip.compress(text[5000:]),
        pa.compress(text, codec="zstd", asbytes=True),
        json.dumps(events[:100]).encode() + b"\n" + json.dumps(events[100:]).encode(),
        json.dumps(events, indent=2).encode(),
        b"\n "
        + "\n".join(json.dumps(some, indent=2) for some in (events[:7], [], events[7:])).encode(),
        b"\xef\xbb\xbf" + text,
        text.replace(b"\n", b"\r\n\r\n"),
    ]
    for number, form in enumerate(forms):
        counts = take_in(house, written(tmp_path, form), source=f"s{number}")
        assert counts["received"] == 300, number
        assert counts["rejected"] == 0, number
    assert house.value("SELECT count(*) FROM analytics.imported") == 300


def test_broken_lines_are_rejected_with_their_place_and_the_rest_is_stored(
    house: House, tmp_path: Path
) -> None:
    text = lines(event()) + "broken{\n" + lines({"type": "track", "userId": "alice"}, ["no"])
    path = written(tmp_path, text + lines(event(properties={"long": "x" * 60_000}), event()))
    assert take_in(house, path) == {"received": 6, "stored": 2, "duplicates": 0, "rejected": 4}
    reasons = {row["reason"] for row in house.rows("SELECT reason FROM _turnout.rejected_events")}
    assert reasons == {"not_json", "missing_event", "too_large"}


def test_what_follows_an_array_and_is_none_is_said(tmp_path: Path) -> None:
    array = json.dumps([event(), event()], indent=2)
    for rest in (lines(event()), "more", '"text', ", []", "[" + lines(event())):
        file = EventFile(str(written(tmp_path, f"{array}\n{rest}")))
        entries = file.entries()
        assert [next(entries).number, next(entries).number] == [1, 2]
        with pytest.raises(FileUnreadable, match="no whole array after its member 2"):
            next(entries)
        file.close()


def test_an_exports_times_stay_what_they_were(house: House, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        lines(
            event(
                messageId="skewed",
                timestamp="2020-05-01T10:00:00.000Z",
                originalTimestamp="2020-05-01T11:00:00.000Z",
                sentAt="2020-05-01T11:00:01.000Z",
                receivedAt="2020-05-01T10:00:01.000Z",
                writeKey="another system's",
            ),
            event(
                messageId="derived",
                originalTimestamp="2020-05-01T11:00:00.000Z",
                sentAt="2020-05-01T11:00:01.000Z",
                receivedAt="2020-05-01T10:00:01.000Z",
            ),
            event(messageId="plain", timestamp="2020-05-01T10:00:00Z"),
        ),
    )
    take_in(house, path)
    rows = house.rows(
        'SELECT id, CAST("timestamp" AS VARCHAR) AS at, '
        "CAST(original_timestamp AS VARCHAR) AS called FROM analytics.tracks ORDER BY id"
    )
    assert {row["id"]: (row["at"], row["called"]) for row in rows} == {
        "derived": ("2020-05-01 10:00:00", "2020-05-01 11:00:00"),
        "plain": ("2020-05-01 10:00:00", "2020-05-01 10:00:00"),
        "skewed": ("2020-05-01 10:00:00", "2020-05-01 11:00:00"),
    }


def test_old_traits_do_not_overwrite_newer_ones(house: House, tmp_path: Path) -> None:
    house.receive({"type": "identify", "userId": "alice", "traits": {"plan": "pro"}})
    house.load()
    old = {"type": "identify", "userId": "alice", "traits": {"plan": "free", "city": "Oslo"}}
    take_in(house, written(tmp_path, lines(old | {"timestamp": "2020-01-01T00:00:00Z"})))
    assert house.row("SELECT plan, city FROM analytics.users") == {"plan": "pro", "city": "Oslo"}


def test_what_a_damaged_file_holds_before_its_damage_is_taken_in(
    house: House, tmp_path: Path
) -> None:
    packed = gzip.compress(lines(*[event(messageId=f"m{n}") for n in range(9_000)]).encode())
    path = written(tmp_path, packed[: len(packed) // 2])
    with pytest.raises(FileUnreadable, match="damaged"):
        take_in(house, path)
    house.load()
    assert house.value("SELECT count(*) FROM analytics.tracks") > 0


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileUnreadable, match=r"nowhere\.ndjson cannot be read"):
        EventFile("nowhere.ndjson")
