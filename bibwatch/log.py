"""Log lines: fields that the journal can be searched by, and a limit to what repeats itself."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

LINES, LINES_S = 20, 60.0  # so many warnings of one kind are let through in so many seconds


def fields(photo: Path, bibs: Iterable[str] = ()) -> dict[str, list[str] | bytes]:
    """What the journal keeps beside a line: `journalctl BIBWATCH_BIB=2419`. For `extra` of the logging calls."""
    return {"BIBWATCH_PHOTO": os.fsencode(photo), "BIBWATCH_BIB": list(bibs)}


def link_field(link: Path) -> dict[str, bytes]:
    """What the journal keeps beside a line about a link. For `extra` of the logging calls."""
    return {"BIBWATCH_LINK": os.fsencode(link)}


class Throttle(logging.Filter):
    """Holds back warnings of a kind that comes too often, and says how many it held back.

    A kind is a place in the code, or what the line's `kind` says: see `of_kind`. Lines below a warning pass, since they
    tell what was done.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock  # monotonic seconds
        self._lock = threading.Lock()  # threads of watchdog's log too, and a handler asks before it takes its own lock
        self._let_through: dict[str, deque[float]] = {}
        self._held_back: dict[str, tuple[int, str]] = {}  # kind -> how many lines, and the last of them

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is let through; once a pause is over, the next line of any kind brings the count along."""
        now = self._clock()
        kind = getattr(record, "kind", f"{record.name}: {record.msg}")
        with self._lock:
            counts = self._counts(now, but=kind)
            passes = record.levelno < logging.WARNING or self._passes(record, kind, now)
        log = logging.getLogger(record.name)
        for held_back, told in counts.items():  # without the lock, since these lines come here too
            own_kind = of_kind(f"held back: {held_back}")
            log.warning("%d lines were held back, the last one: %s", *told, extra=own_kind)
        return passes

    def _counts(self, now: float, but: str) -> dict[str, tuple[int, str]]:
        """What was held back of kinds whose pause is over: kind -> how many lines, and the last. Told once."""
        over = [kind for kind in self._held_back if kind != but and not _is_full(self._let_through[kind], now)]
        return {kind: self._held_back.pop(kind) for kind in over}

    def _passes(self, record: logging.LogRecord, kind: str, now: float) -> bool:
        times = self._let_through.setdefault(kind, deque(maxlen=LINES))
        held_back, _ = self._held_back.pop(kind, (0, ""))
        if _is_full(times, now):
            self._held_back[kind] = held_back + 1, record.getMessage()
            return False
        times.append(now)
        if held_back:
            _add(record, f"{held_back} more like this were held back")
        if _is_full(times, now):
            _add(record, "more like this are held back for a while")
        return True


def of_kind(kind: str) -> dict[str, str]:
    """Lets a line count with those of its kind only. For `extra` of the logging calls."""
    return {"kind": kind}


def _is_full(times: deque[float], now: float) -> bool:
    return len(times) == LINES and now - times[0] < LINES_S


def _add(record: logging.LogRecord, note: str) -> None:
    record.msg, record.args = f"{record.getMessage()} ({note})", ()
