"""How it is: what `status` says, gathered from the database and the lock, without waking the service."""

import os
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bibwatch.errors import DatabaseFault, DatabaseMissing, DatabaseUnreadable
from bibwatch.store.damage import is_locked
from bibwatch.store.lock import ServiceLock
from bibwatch.store.schema import database_faults
from bibwatch.store.store import Store
from bibwatch.values import shown

FULL = 2**20  # bytes; with less room than this, a database does not grow
STALE_S = 15.0  # a service that has said nothing for this long hangs
SHOWN = 5  # last photos, and failed ones


@dataclass(frozen=True, slots=True)
class Status:
    """The whole, at one glance."""

    state: Literal["ok", "degraded", "down"]
    degraded: list[str]  # reasons
    queue: dict[str, int]  # state -> photos
    inferences: int  # readings stored, one for each content and engine
    links: int
    health: dict[str, Any]  # what the service last said about itself
    last_photos: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values, the health's own keys among the others."""
        plain = asdict(self)
        health: dict[str, Any] = plain.pop("health")
        return plain | health


def gather(database: Path) -> Status:
    """Ask database and lock; takes a few milliseconds, or a second where a service that runs says nothing."""
    runs = ServiceLock(database).held_elsewhere()
    try:
        with database_faults(), closing(Store.open_read_only(database)) as store:
            return _told(store, database, runs=runs)
    except (DatabaseMissing, DatabaseUnreadable) as error:
        return _unknown(str(error), runs=runs)
    except DatabaseFault as error:
        return _unknown(f"{shown(database)}: {error}", runs=runs)


def _unknown(reason: str, *, runs: bool) -> Status:
    """All that can be said where the database tells nothing."""
    return Status("degraded" if runs else "down", [reason], {}, 0, 0, {})


def _told(store: Store, database: Path, *, runs: bool) -> Status:
    beat_at, health = store.pulse.last() or (0.0, {})
    degraded = list(health.pop("degraded", []))
    silent_s = abs(time.time() - beat_at)
    if runs and silent_s > STALE_S:
        degraded.append(f"the service has said nothing for {silent_s:.0f} s{_cause(database)}")
    if not runs:
        degraded, health = ["the service is not running; `bibwatch run` starts it"], {}
    return Status(
        state="down" if not runs else "degraded" if degraded else "ok",
        degraded=degraded,
        queue=store.queue.counts(),
        inferences=store.readings.count_reads(),
        links=store.links.count(),
        health=health,
        last_photos=[shown(path) for path in store.queue.newest(SHOWN)],
        failed=[{"photo": shown(path), "reason": reason} for path, reason in store.queue.failed(SHOWN)],
    )


def _cause(database: Path) -> str:
    """Why a service cannot write down how it is, as far as its disk tells."""
    disk = os.statvfs(database.parent)
    if disk.f_flag & os.ST_RDONLY:
        return ": its database's disk is read-only"
    if disk.f_bavail * disk.f_frsize < FULL:
        return ": its database's disk is full; make room"
    return ": another program holds its database locked" if is_locked(database) else ""
