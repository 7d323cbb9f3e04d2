from __future__ import annotations

from turnout.demo import chance


def test_a_stream_is_the_same_every_time_and_other_streams_differ() -> None:
    assert chance.stream(1, "person", 2).random() == chance.stream(1, "person", 2).random()
    others = {chance.stream(seed, "person", n).random() for seed in (1, 2) for n in range(50)}
    assert len(others) == 100


def test_a_share_lies_between_nothing_and_one_and_covers_it_evenly() -> None:
    shares = [chance.share(3, "x", number) for number in range(4000)]
    assert min(shares) >= 0
    assert max(shares) < 1
    for tenth in range(10):
        assert 320 < sum(tenth / 10 <= share < (tenth + 1) / 10 for share in shares) < 480


def test_an_id_is_a_valid_random_uuid() -> None:
    assert chance.uuid(1, "company", 1).version == 4
    assert len({chance.uuid(1, "company", number) for number in range(1000)}) == 1000
