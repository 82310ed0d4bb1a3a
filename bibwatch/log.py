"""Log lines: fields that the journal can be searched by, and a limit to what repeats itself."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

LINES, LINES_S = 20, 60.0  # so many warnings of one kind are let through in so many seconds


def fields(photo: Path, bibs: Iterable[str] = ()) -> dict[str, list[str] | bytes]:
    """What the journal keeps beside a line: `journalctl BIBWATCH_BIB=2419`. For `extra` of the logging calls."""
    return {"BIBWATCH_PHOTO": os.fsencode(photo), "BIBWATCH_BIB": list(bibs)}


class Throttle(logging.Filter):
    """Holds back warnings of a kind that comes too often, and says how many it held back.

    A kind is a place in the code. Lines below a warning pass, since they tell what was done.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock  # monotonic seconds
        self._let_through: dict[str, deque[float]] = {}
        self._held_back: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is let through; the first one after a pause carries the count."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = f"{record.name}: {record.msg}", self._clock()
        times = self._let_through.setdefault(kind, deque(maxlen=LINES))
        if len(times) == LINES and now - times[0] < LINES_S:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return False
        times.append(now)
        if held_back := self._held_back.pop(kind, 0):
            _add(record, f"{held_back} more like this were held back")
        if len(times) == LINES and now - times[0] < LINES_S:
            _add(record, "more like this are held back for a while")
        return True


def _add(record: logging.LogRecord, note: str) -> None:
    record.msg, record.args = f"{record.getMessage()} ({note})", ()
