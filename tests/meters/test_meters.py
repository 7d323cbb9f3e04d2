"""What is counted, in one process and in several, and who may read it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from turnout import meters
from turnout.meters.exchange import Exchange, clear
from turnout.meters.guard import may_read
from turnout.meters.meter import Counter, Gauge, Histogram, Meter
from turnout.meters.prometheus import text

ROOT = Path(__file__).parents[2]


def read(exchange: Exchange, *counted: Meter) -> dict[str, float]:
    """Sample by name and labels, as a scrape finds it."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text(counted, exchange.snapshots()).decode())
        for sample in family.samples
    }


def test_a_counter_adds_up_by_its_labels() -> None:
    events = Counter("events_total", "Events.", ("source",))
    events.add("web")
    events.add("web", amount=4)
    events.add("app")
    assert read(Exchange([events]), events) == {"events_total web": 5, "events_total app": 1}


def test_counting_from_many_threads_loses_nothing() -> None:
    events = Counter("events_total", "Events.")

    def count() -> None:
        for _ in range(5000):
            events.add()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events.numbers() == {(): (20_000,)}


def test_a_histogram_counts_what_took_no_longer_than_each_bound() -> None:
    took = Histogram("took_seconds", "How long.", (0.1, 1.0))
    for duration_s in (0.05, 0.1, 0.5, 7.0):
        took.observe(duration_s)
    assert read(Exchange([took]), took) == {
        "took_seconds_bucket 0.1": 2,
        "took_seconds_bucket 1.0": 3,
        "took_seconds_bucket +Inf": 4,
        "took_seconds_count": 4,
        "took_seconds_sum": pytest.approx(7.65),
    }


def test_a_source_may_be_called_anything() -> None:
    events = Counter("events_total", "Events.", ("source",))
    events.add('a "quoted"\\ name\nin two lines')
    assert read(Exchange([events]), events) == {'events_total a "quoted"\\ name\nin two lines': 1}


def test_processes_see_each_other(tmp_path: Path) -> None:
    kinds = {
        name: (
            Counter("events_total", "Events.", ("source",)),
            Gauge("waiting", "Waiting."),
            Histogram("took_seconds", "How long.", (1.0,)),
        )
        for name in ("first", "second")
    }
    exchanges = {name: Exchange(each) for name, each in kinds.items()}
    for name, (events, waiting, took) in kinds.items():
        exchanges[name].share(tmp_path)
        events.add("web", amount=10)
        events.add(name)
        waiting.set(7 if name == "first" else 3)
        took.observe(0.5)
        exchanges[name].write()
    for name, each in kinds.items():
        found = read(exchanges[name], *each)
        assert found["events_total web"] == 20
        assert found["events_total first"] == found["events_total second"] == 1
        assert found["waiting"] == 3, "the one that was set last"
        assert found["took_seconds_count"] == 2
        assert found["took_seconds_sum"] == 1


def test_what_a_process_counted_outlives_it(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from turnout import meters;"
        "meters.share(pathlib.Path(sys.argv[1])); meters.RETRIES.add(amount=3); meters.write()"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    # Other tests of this process may have counted as well.
    ours = sum(numbers[0] for numbers in meters.RETRIES.numbers().values())
    later = Exchange(meters.ALL)
    later.share(tmp_path)
    assert read(later, meters.RETRIES) == {"turnout_retries_total": 3 + ours}
    clear(tmp_path)
    assert sum(read(later, meters.RETRIES).values()) == ours


def test_a_process_that_counts_nothing_leaves_no_file(tmp_path: Path) -> None:
    idle = Exchange([Counter("events_total", "Events.")])
    idle.share(tmp_path)
    idle.write()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_or_written_stops_nobody(tmp_path: Path) -> None:
    events = Counter("events_total", "Events.", ("source",))
    exchange = Exchange([events])
    exchange.share(tmp_path / "meters")
    (tmp_path / "meters" / "torn.json").write_text('{"events_total": [')
    (tmp_path / "meters" / "of-another-version.json").write_text('{"events_total": [[[], [1]]]}')
    events.add("web")
    assert read(exchange, events) == {"events_total web": 1}
    for path in (tmp_path / "meters").iterdir():
        path.unlink()
    (tmp_path / "meters").rmdir()
    exchange.write()
    assert read(exchange, events) == {"events_total web": 1}


def test_the_collector_pays_nothing_for_the_library_of_metrics() -> None:
    program = "import sys, turnout.meters; sys.exit('prometheus_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("peer", "is_forwarded", "authorization", "may"),
    [
        ("127.0.0.1", False, "", False),
        ("127.0.0.1", False, "Bearer secret", True),
        ("10.0.0.7", False, "Bearer secret", True),
        ("127.0.0.1", True, "bearer secret", True),
        ("10.0.0.7", False, "Bearer", False),
        ("127.0.0.1", False, "Bearer wrong", False),
        ("10.0.0.7", False, "Bearer s\u00e9cret", False),
    ],
)
def test_once_there_is_a_token_it_alone_decides(
    peer: str, is_forwarded: bool, authorization: str, may: bool
) -> None:
    assert may is may_read(
        peer=peer, is_forwarded=is_forwarded, authorization=authorization, token="secret"
    )


@pytest.mark.parametrize(
    ("peer", "is_forwarded", "may"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("127.0.0.1", True, False),
        ("10.0.0.7", False, False),
        ("", False, False),
    ],
)
def test_without_a_token_this_machine_alone_reads(peer: str, is_forwarded: bool, may: bool) -> None:
    for sent in ("", "Bearer ", "Bearer secret"):
        assert may is may_read(peer=peer, is_forwarded=is_forwarded, authorization=sent, token="")


def test_the_documents_list_every_meter_as_it_explains_itself() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `(turnout_\w+)` \| (.*?) ?\| (.*) \|$", page, re.MULTILINE)
    assert rows == [
        (meter.name, ", ".join(f"`{label}`" for label in meter.labels), meter.sentence)
        for meter in meters.ALL
    ]


def test_the_alerts_in_the_documents_speak_of_meters_that_exist() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    alerts = re.findall(r"expr: (.*)", page)
    assert len(alerts) == 3
    for alert in alerts:
        for name in re.findall(r"turnout_\w+", alert):
            assert name in {meter.name for meter in meters.ALL}
