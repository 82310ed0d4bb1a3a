"""What the service says about itself, a beat a second: to the log, the database, the service manager, Prometheus."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from bibwatch import systemd
from bibwatch.errors import DatabaseFault
from bibwatch.service.health import Changes, Reason, health
from bibwatch.service.metrics import MetricsFile
from bibwatch.service.rooms import Rooms
from bibwatch.store.schema import database_faults

BEAT_S = 1.0


class Voice:
    """Speaks to each listener as far as it hears."""

    def __init__(self) -> None:
        self._started_at = time.time()
        self._beat_at = float("-inf")  # monotonic seconds
        self._told: tuple[dict[str, Any], dict[str, int]] | None = None  # health and counts as last written down
        self._changes, self._metrics = Changes(), MetricsFile()
        self.unheard: str | None = None  # why the database did not take the last beat

    def beat(
        self, rooms: Rooms, degraded: Callable[[], Iterator[Reason]], now: float, more: Callable[[], dict[str, Any]]
    ) -> None:
        """Say how it is, if it is time; `more` is health that the rooms do not know of. Times are monotonic seconds."""
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        reasons = list(degraded())
        self._changes.tell(reasons)
        try:
            with database_faults():
                counts = rooms.store.queue.counts()
                told = health(rooms, [str(reason) for reason in reasons], now) | {"started_at": self._started_at}
                told |= more()
                rooms.store.pulse.beat(told, time.time())
        except DatabaseFault as error:
            self.unheard = str(error)
            systemd.notify(f"STATUS=degraded: {error}")
            if self._told is not None:
                told, counts = self._told
                self._metrics.write(rooms.config.metrics, told | {"degraded": list(degraded())}, counts, now)
            return
        self.unheard = None
        self._told = told, counts
        self._metrics.write(rooms.config.metrics, told, counts, now)
        well = f"; degraded: {reasons[0]}" if reasons else ""
        systemd.notify(
            f"STATUS={counts['done']} photos done, {counts['failed']} failed, {counts['waiting']} waiting, "
            f"{told['photos_per_s']:.1f} photos/s{well}"
        )

    def reasons(self) -> Iterator[Reason]:
        """Why somebody does not hear it, apart from the database."""
        if self._metrics.fault:
            yield Reason("metrics", self._metrics.fault)
