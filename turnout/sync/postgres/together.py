"""Several connections that read the pieces of one table at once."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa

from turnout.sync.postgres.pieces import Piece
from turnout.sync.postgres.worker import Worker

# Batches, of a mebibyte, that wait to be taken, per connection.
WAITING_MAX = 4
POLL_S = 0.2

Read: TypeAlias = Callable[[Worker, Piece], Iterator[pa.RecordBatch]]


def together(
    workers: Sequence[Worker], pieces: Sequence[Piece], read: Read
) -> Iterator[pa.RecordBatch]:
    """The rows of all `pieces`, in no order. An error of any worker ends them all."""
    reading = _Reading(workers, pieces, read)
    try:
        yield from reading.batches()
    finally:
        reading.stop()


class _Reading:
    def __init__(self, workers: Sequence[Worker], pieces: Sequence[Piece], read: Read) -> None:
        self._workers = workers
        self._pieces = deque(pieces)
        self._read = read
        # A batch; or an error; or nothing, when a worker is done.
        self._waiting: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(
            WAITING_MAX * len(workers)
        )
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=[worker], daemon=True) for worker in workers
        ]

    def batches(self) -> Iterator[pa.RecordBatch]:
        for thread in self._threads:
            thread.start()
        left = len(self._threads)
        while left:
            found = self._waiting.get()
            if found is None:
                left -= 1
            elif isinstance(found, BaseException):
                raise found
            else:
                yield found

    def stop(self) -> None:
        """Whoever still reads is told at the server, and waited for."""
        self._stopped.set()
        for worker, thread in zip(self._workers, self._threads, strict=True):
            while thread.is_alive():
                worker.cancel()
                thread.join(POLL_S)

    def _work(self, worker: Worker) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    piece = self._pieces.popleft()
                except IndexError:
                    break
                for batch in self._read(worker, piece):
                    if not self._put(batch):
                        return
            self._put(None)
        except Exception as error:  # noqa: BLE001 - raised again by who takes the rows
            self._put(error)

    def _put(self, found: pa.RecordBatch | BaseException | None) -> bool:
        """Whether anybody still takes rows."""
        while not self._stopped.is_set():
            try:
                self._waiting.put(found, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False
