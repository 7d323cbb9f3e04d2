"""What runs when: the list of all jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from turnout import meters
from turnout.access.secret import PRIVACY_FILE_NAME, secret_key
from turnout.clips.follower import Follower
from turnout.config import Config
from turnout.errors import TurnoutError
from turnout.events.journal import journal
from turnout.events.loading.load import Loader
from turnout.jobs.capture import SourceCapture
from turnout.jobs.desk import Desk
from turnout.jobs.job import Job
from turnout.jobs.source import SourceCopy
from turnout.jobs.turns import Turns
from turnout.jobs.watch import Watch, watch_all
from turnout.sync.privacy.suppressed import Suppressed
from turnout.warehouse import Warehouse

MEASURE_EVERY_S = 1.0
PUBLISH_EVERY_S = 0.1
REQUESTS_EVERY_S = 0.5
RETIRE_EVERY_S = 60.0
WATCH_EVERY_S = 10.0
# It is looked this often whether it is time.
COMPACT_EVERY_S = 3600.0

log = structlog.get_logger()


def jobs_of(
    config: Config,
    loader: Loader,
    follower: Follower,
    desk: Desk,
    copies: Iterable[SourceCopy],
) -> list[Job]:
    """All of the app's jobs."""
    turns = desk.turns
    copies = list(copies)
    watches = [Watch(config, copy) for copy in copies]
    return [
        Job("load", config.warehouse.load_every_s, lambda: _load(loader, follower, turns)),
        Job("measure", MEASURE_EVERY_S, lambda: _measure(config, loader)),
        Job("publish", PUBLISH_EVERY_S, lambda: _publish(follower)),
        Job("requests", REQUESTS_EVERY_S, desk.answer_all),
        Job("retire", RETIRE_EVERY_S, lambda: _retire(config, loader, turns)),
        Job("compact", COMPACT_EVERY_S, desk.compact),
        Job("watch", WATCH_EVERY_S, lambda: watch_all(watches, now=datetime.now(UTC))),
        *(
            Job(f"sync {copy.name}", copy.source.every_s, copy.run)
            for copy in copies
            # One without a server and without a file is filled when somebody asks for it.
            if copy.source.url != "file:"
        ),
    ]


def following_of(captures: Iterable[SourceCapture]) -> list[Job]:
    """The jobs that follow changes."""
    return [
        Job(f"follow {capture.name}", capture.source.log_every_s, capture.run)
        for capture in captures
    ]


def sources_of(config: Config, warehouse: Warehouse, follower: Follower) -> dict[str, SourceCopy]:
    """The copying of each source, by its name."""
    secret = secret_key(config.data_folder, PRIVACY_FILE_NAME)
    return {
        name: SourceCopy(
            name,
            source,
            warehouse,
            follower,
            secret=secret,
            suppressed=Suppressed(config.data_folder, name) if source.suppress else None,
        )
        for name, source in config.sources.items()
    }


def captures_of(config: Config, warehouse: Warehouse, follower: Follower) -> list[SourceCapture]:
    """The following of changes, of each source that has tables in the mode log."""
    secret = secret_key(config.data_folder, PRIVACY_FILE_NAME)
    captures = [
        SourceCapture(
            name,
            source,
            warehouse,
            follower,
            secret=secret,
            suppressed=Suppressed(config.data_folder, name) if source.suppress else None,
        )
        for name, source in config.sources.items()
    ]
    return [capture for capture in captures if capture.has_tables]


def _load(loader: Loader, follower: Follower, turns: Turns) -> float | None:
    """Load until nothing is left; only then is the warehouse as new as the journal."""
    while not turns.is_wanted:
        began = datetime.now(UTC)
        try:
            with turns.loading():
                unit = loader.load()
        except TurnoutError:
            meters.LOADS_FAILED.add()
            raise
        if unit is None:
            for schema in loader.schemas:
                follower.note(schema, began)
            return None
        log.info(
            "loaded", received=unit.received, stored=unit.stored, duplicates=unit.duplicates,
            rejected=unit.rejected, duration_s=round(unit.duration_s, 3),
        )  # fmt: skip
    return None


def _measure(config: Config, loader: Loader) -> None:
    """How far loading is behind, also while one load takes long."""
    positions = loader.positions
    meters.BACKLOG_BYTES.set(journal.backlog_bytes(config.journal_folder, positions))
    meters.BACKLOG_SECONDS.set(
        journal.backlog_seconds(config.journal_folder, positions, now=datetime.now(UTC))
    )


def _publish(follower: Follower) -> None:
    follower.publish_if_due(now=datetime.now(UTC))


def _retire(config: Config, loader: Loader, turns: Turns) -> None:
    before = datetime.now(UTC) - timedelta(days=config.journal.keep_days)
    with turns.upkeep():
        journal.retire(
            config.journal_folder,
            loader.positions,
            before=before,
            bytes_max=config.journal.keep_bytes,
        )
