"""Whoever is forgotten is nowhere any more; everybody else is where they were."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.events.house import House
from tests.events.upkeeping import keep_up
from turnout.errors import BadRequest, Stopped
from turnout.events.journal import segment
from turnout.events.upkeep.forget import forget
from turnout.events.upkeep.forget.mention import mention_pattern
from turnout.events.upkeep.forget.receipt import id_hash
from turnout.events.upkeep.forget.subjects import with_devices
from turnout.events.upkeep.replay import replay

# Too random for any compression to hide it.
ALICE, ACME, DEVICE = "q7Zp-Alice-9fK2xW", "k3Vd-Acme-5tR8yB", "z8Lm-Device-2wQ6cN"


def track(message_id: str, **who: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Pressed", "messageId": message_id} | who


def live(house: House) -> None:
    """Alice and Bob of Acme, a device that was only Alice's, and one they share."""
    house.receive(
        track("a1", userId=ALICE, properties={"n": 1}),
        track("a2", userId=ALICE, anonymousId=DEVICE, properties={"n": "misfit"}),
        track("a3", anonymousId=DEVICE),
        track("s1", userId=ALICE, anonymousId="shared"),
        track("s2", userId="bob", anonymousId="shared"),
        track("s3", anonymousId="shared"),
        {"type": "identify", "userId": ALICE, "traits": {"plan": "pro"}, "messageId": "i1"},
        {"type": "identify", "userId": "bob", "traits": {"plan": "free"}, "messageId": "i2"},
        {"type": "group", "userId": "bob", "groupId": ACME, "messageId": "g1"},
        track("c1", userId="bob", context={"groupId": ACME}),
        {"type": "track", "userId": ALICE, "messageId": "r1"},
        {"type": "alias", "previousId": "old-" + ALICE, "userId": ALICE, "messageId": "x1"},
    )
    house.receive(track("a1", userId=ALICE))
    house.load()


def everywhere(house: House, text: str) -> list[str]:
    """The files that hold `text`."""
    folder = house.journal_folder.parent
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def test_a_user_is_gone_from_every_table_and_the_journal(house: House) -> None:
    live(house)
    report = keep_up(house, forget, users=[ALICE])
    assert report.erased
    assert [row["id"] for row in house.rows("SELECT id FROM analytics.tracks ORDER BY id")] == [
        "c1", "s2", "s3",
    ]  # fmt: skip
    assert house.value("SELECT count(*) FROM analytics.users") == 1
    assert house.value("SELECT count(*) FROM analytics.aliases") == 0
    assert house.value("SELECT count(*) FROM _turnout.rejected_events") == 0
    assert house.value("SELECT count(*) FROM _turnout.duplicate_events") == 0
    assert house.value("SELECT count(*) FROM _turnout.discards") == 0
    house.warehouse.compact()
    assert everywhere(house, ALICE) == []
    assert everywhere(house, DEVICE) == []
    assert house.value("SELECT count(*) FROM turnout.identity_map WHERE user_id <> 'bob'") == 0


def test_a_replay_does_not_bring_anybody_back_and_loading_goes_on(house: House) -> None:
    live(house)
    keep_up(house, forget, users=[ALICE])
    keep_up(house, replay)
    assert house.value("SELECT count(*) FROM analytics.tracks") == 3
    assert house.loader.load() is None
    house.receive(track("b9", userId="bob"), track("a9", userId=ALICE))
    assert house.load().stored == 2


def test_an_account_is_gone_with_what_was_done_in_it(house: House) -> None:
    live(house)
    keep_up(house, forget, accounts=[ACME])
    assert house.value("SELECT count(*) FROM analytics.accounts") == 0
    assert house.value("SELECT count(*) FROM analytics.groups") == 0
    assert house.value("SELECT count(*) FROM analytics.tracks WHERE id = 'c1'") == 0
    assert house.value("SELECT count(*) FROM analytics.users") == 2
    house.warehouse.compact()
    assert everywhere(house, ACME) == []


def test_what_was_shared_is_as_if_they_had_never_been_there(house: House) -> None:
    plan = {"type": "group", "groupId": "acme", "timestamp": "2026-03-01"}
    house.receive(
        track("s1", userId="bob", anonymousId="shared", timestamp="2026-03-01"),
        track("s2", anonymousId="shared", timestamp="2026-03-02"),
        track("s3", userId=ALICE, anonymousId="shared", timestamp="2026-03-03"),
        {**plan, "userId": "bob", "traits": {"plan": "free"}},
        {**plan, "userId": ALICE, "traits": {"plan": "pro"}, "timestamp": "2026-03-02"},
        {"type": "alias", "userId": "bob", "previousId": ALICE},
    )
    house.load()
    keep_up(house, forget, users=[ALICE])
    assert house.value("SELECT resolved_user_id FROM turnout.events WHERE id = 's2'") == "bob"
    assert house.rows("SELECT anonymous_id, user_id FROM turnout.identity_map") == [
        {"anonymous_id": "shared", "user_id": "bob"}
    ]
    assert house.value("SELECT plan FROM analytics.accounts") == "free"


def test_an_anonymous_id_can_be_forgotten_alone(house: House) -> None:
    live(house)
    keep_up(house, forget, anonymous=["shared"])
    ids = {row["id"] for row in house.rows("SELECT id FROM analytics.tracks")}
    assert ids == {"a1", "a2", "a3", "c1"}


def test_a_dry_run_counts_what_would_go_and_erases_nothing(house: House) -> None:
    live(house)
    planned = keep_up(house, forget, users=[ALICE], is_plan=True)
    assert house.value("SELECT count(*) FROM analytics.tracks") == 7
    done = keep_up(house, forget, users=[ALICE])
    assert planned.result["warehouse"] == done.result["receipt"]["warehouse"]
    assert planned.result["journal"] == done.result["receipt"]["journal"]


def test_the_receipt_proves_what_was_done_without_saying_for_whom(house: House) -> None:
    live(house)
    report = keep_up(house, forget, users=[ALICE])
    text = Path(report.result["path"]).read_text()
    receipt = json.loads(text)
    assert ALICE not in text
    hashes = {each["hash"] for each in receipt["subjects"]}
    assert id_hash(ALICE, bytes.fromhex(receipt["salt"])) in hashes
    assert receipt["warehouse"]["analytics.users"] == 1
    assert receipt["journal"]["lines"] == 8


def test_ids_that_came_as_numbers_are_found(house: House) -> None:
    house.receive(track("n1", userId=4711), track("n2", userId=47110))
    house.load()
    keep_up(house, forget, users=["4711"])
    assert house.value("SELECT max(id) || count(*) FROM analytics.tracks") == "n21"


def test_the_journal_left_is_whole_and_as_old_as_it_was(house: House) -> None:
    live(house)
    ages = {path.name: path.stat().st_mtime_ns for path in segment.segments(house.journal_folder)}
    keep_up(house, forget, users=[ALICE])
    for path in segment.segments(house.journal_folder):
        text = path.read_bytes()
        assert sum(end - start for start, _, end in segment.whole_blocks(text)) == len(text)
        assert path.stat().st_mtime_ns == ages[path.name]
    assert not list(house.journal_folder.glob("*.part"))


def test_cut_anywhere_the_next_run_finishes_it(house: House) -> None:
    live(house)
    calls = 0

    def stop_at(number: int) -> Any:
        def tell(*_: object) -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                raise Stopped

        return tell

    for number in range(1, 6):
        calls = 0
        try:
            keep_up(house, forget, tell=stop_at(number), users=[ALICE])
        except Stopped:
            house.loader.refresh()
            assert house.loader.load() is None
    keep_up(house, forget, users=[ALICE])
    assert house.value("SELECT count(*) FROM analytics.tracks") == 3
    assert house.loader.load() is None


def test_nobody_named_is_refused(house: House) -> None:
    with pytest.raises(BadRequest, match="Nobody is named"):
        keep_up(house, forget, users=[" "])


@pytest.mark.parametrize(
    ("id_", "head", "is_named"),
    [
        ("17", '{"userId": "17"', True),
        ("17", '{"userId": 17}', True),
        ("17", '{"userId": "175"', False),
        ("17", '{"properties": {"count": 17}}', False),
        ("alice@acme", '{"email": "alice@acme"', True),
        ("alice@acme", '{"email": "malice@acme"', False),
        ("a.*", '{"userId": "abc"}', False),
        ("zoë", '{"userId": "zo\\u00eb"', True),
        ("zoë", '{"userId": "zo\\u00EB"', True),
        ("zoë", '{"userId": "zo\\u00ec"', False),
        ("12🎉", '{"userId": "12\\ud83c\\udf89"', True),
        ('a"\\/b', '{"userId": "a\\"\\\\\\/b"', True),
        ("a&b", '{"userId": "a\\u0026b"', True),
        ("", "", False),
    ],
)
def test_a_head_names_somebody_only_as_a_whole(id_: str, head: str, is_named: bool) -> None:
    pattern = mention_pattern([id_] if id_ else [])
    assert bool(re.search(pattern, head)) == is_named


def test_what_comes_meanwhile_is_neither_erased_nor_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(house)

    def as_more_comes(*given: Any) -> Any:
        house.receive(track("late-alice", userId=ALICE), track("late-bob", userId="bob"))
        return with_devices(*given)

    monkeypatch.setitem(forget.__globals__, "with_devices", as_more_comes)
    keep_up(house, forget, users=[ALICE])
    house.load()
    ids = {row["id"] for row in house.rows("SELECT id FROM analytics.tracks")}
    assert {"late-alice", "late-bob"} <= ids


def test_what_an_attempt_that_was_cut_off_left_behind_is_erased(house: House) -> None:
    live(house)
    [path, *_] = segment.segments(house.journal_folder)
    path.with_name(f"20200101T000000.000000Z-1{segment.SUFFIX}.part").write_bytes(path.read_bytes())
    keep_up(house, forget, users=[ALICE])
    house.warehouse.compact()
    assert everywhere(house, ALICE) == []
