"""One pass over the watched folders: the service, until it has nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bibwatch.errors import DatabaseFault, EngineUnavailable
from bibwatch.service.life import Service
from bibwatch.values import shown


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pass is."""

    ended: int  # photos done or failed
    found: int  # photos found so far
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a pass."""

    photos: int  # in the watched folders
    read: int  # by the engine, now
    reused: int  # known before, or copies of others
    failed: int
    links: int  # that stand in the link tree
    seconds: float


class Scan:
    """A service, followed from before its start until it has nothing left to do."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started = time.monotonic()

    def progress(self) -> Iterator[Progress]:
        """Work until every photo has come to its end, and say after each step how far it is.

        Raises:
            EngineUnavailable: the engine does not load.
        """
        # What bibs look like is learned once more from the last photos.
        while not self._service.rooms.idle or self._service.rooms.learn(at_last=True):
            self._service.step()
            if self._service.database_fault:
                raise DatabaseFault(self._service.database_fault)
            if self._service.rooms.pool.fault:
                raise EngineUnavailable(self._service.rooms.pool.fault)
            counts = self._service.rooms.store.queue.counts()
            ended = counts["done"] + counts["failed"]
            yield Progress(ended, sum(counts.values()), time.monotonic() - self._started)

    def summary(self) -> Summary:
        """The pass so far."""
        counts = self._service.rooms.store.queue.counts()
        photos, failed, read = sum(counts.values()), counts["failed"], self._service.rooms.turns.tally.read
        return Summary(
            photos=photos,
            read=read,
            reused=max(0, counts["done"] - read),
            failed=failed,
            links=self._service.rooms.store.links.count(),
            seconds=round(time.monotonic() - self._started, 2),
        )

    def troubles(self) -> list[str]:
        """Why something is not as it should be, apart from photos that failed."""
        return [str(reason) for reason in self._service.degraded()]

    def failures(self) -> list[tuple[str, str]]:
        """The photos that failed, with their reasons."""
        return [(shown(path), reason) for path, reason in self._service.rooms.store.queue.failed(1_000_000)]
