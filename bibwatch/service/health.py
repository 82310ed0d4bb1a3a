"""How the service is: the reasons why not all is well, and what it says about itself."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bibwatch.log import of_kind
from bibwatch.match.startlist import summary
from bibwatch.service.rooms import Rooms
from bibwatch.values import shown

COUNTS = re.compile(r"\(.*?\)|[0-9]+")  # what changes in the text of a fault while the fault stays: examples too

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not all is well."""

    kind: str  # stays the same while counts and examples in the text change
    text: str  # in plain words

    def __str__(self) -> str:
        return self.text


def reasons(rooms: Rooms) -> Iterator[Reason]:
    """Every reason why not all is well in the rooms."""
    for path, texts in _folder_faults(rooms).items():
        for text in texts:
            yield Reason(f"{shown(path)}: {COUNTS.sub('', text)}", f"{shown(path)}: {text}")
    if not rooms.source.alive:
        yield Reason("scan", "the folders are not scanned any more, through an error of bibwatch's own; restart it")
    yield from link_reasons(rooms.linking.troubles)
    if rooms.pool.fault:
        text = f"{rooms.pool.ready} of {rooms.pool.workers} readers are ready, others do not start: {rooms.pool.fault}"
        yield Reason("engine", text)
    elif rooms.pool.slowed:
        yield Reason("readers", rooms.pool.slowed)
    if rooms.pool.lack:
        yield Reason("device", f"photos are read slowly, on the processor: {rooms.pool.lack}; reader.device says where")


def _folder_faults(rooms: Rooms) -> dict[Path, list[str]]:
    """Folder -> why its photos are out of sight, and why events from it are missing."""
    faults: dict[Path, list[str]] = {}
    for path, text in (*rooms.inbox.faults().items(), *rooms.source.faults().items()):
        faults.setdefault(path, []).append(text)
    return faults


def link_reasons(troubles: Mapping[Path, str]) -> Iterator[Reason]:
    """One line for each kind of trouble: a full disk is one thing to mend, not ten thousand."""
    for reason, count in Counter(troubles.values()).items():
        example = next(path for path, said in troubles.items() if said == reason)
        others = f", and {count - 1} more" if count > 1 else ""
        yield Reason(f"links: {reason}", f"{shown(example)}{others}: {reason}")


def health(rooms: Rooms, degraded: Iterable[str], now: float) -> dict[str, Any]:
    """What `status` shows of the running service, as plain values; `now` is monotonic seconds."""
    pool, tally, faults = rooms.pool, rooms.turns.tally, _folder_faults(rooms)
    waiting_since = rooms.store.queue.waiting_since()
    entrants = rooms.rules.bibs.entrants
    return {
        "pid": os.getpid(),
        "engine": rooms.engine,
        "event": rooms.learning.event.summary,
        "suspects": sorted(rooms.learning.event.suspects - rooms.rules.bibs.ignore),
        "start_list": entrants and summary(entrants),
        "folders": [
            {"path": shown(folder.path), "fault": "; ".join(faults.get(folder.path, ())) or None}
            for folder in rooms.config.watch
        ],
        "watches": rooms.source.watched_folders(),
        "settling": len(rooms.inbox),
        "oldest_waiting_s": None if waiting_since is None else round(max(0.0, rooms.now() - waiting_since), 1),
        "workers": {
            "wanted": pool.workers,
            "ready": pool.ready,
            "busy": pool.busy,
            "pids": pool.pids,
            "devices": pool.devices,
            "replaced": pool.replaced,
        },
        "photos_per_s": round(tally.rate(now), 2),
        "since_start": {
            "read": tally.read,
            "reused": tally.reused,
            "failed": tally.failed,
            "reading_s": round(tally.reading_s, 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in tally.stages.spent.items()},
        },
        "last_error": tally.last_error,
        "degraded": list(degraded),
    }


class Changes:
    """Logs what went wrong and what is well again, each once."""

    def __init__(self) -> None:
        self._told: dict[str, Reason] = {}  # by kind

    def tell(self, degraded: Iterable[Reason]) -> None:
        """Compare the reasons with the last ones."""
        now = {reason.kind: reason for reason in degraded}
        for kind in now.keys() - self._told.keys():
            log.warning("degraded: %s", now[kind], extra=of_kind(kind))
        for kind in self._told.keys() - now.keys():
            log.info("well again: %s", self._told[kind])
        self._told = now
