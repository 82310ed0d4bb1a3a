"""Looks at single files of one watched folder."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from bibwatch.watch.changes import Change, Looked, Place, Replaced, Touched
from bibwatch.watch.patience import Patience
from bibwatch.watch.walk import is_reached, place_below, stamp_of
from bibwatch.watch.watches import Watches

Paths = Sequence[Path]


class Looker:
    """A thread of its own, so that a disk that does not answer keeps nobody else waiting.

    What is asked for is answered in that order.
    """

    def __init__(self, root: Path, watches: Watches | None, tell: Callable[[Change], None]) -> None:
        self._root = root
        self._watches = watches  # None where the folder is polled
        self._tell = tell
        self._asked: queue.SimpleQueue[Path | Paths | Replaced | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._replacements = 0  # of the watched folder, that are still to be told
        self._touched: set[Path] = set()  # events tell of a new file several times at once: one look does
        self._patience = Patience()
        self.thread = threading.Thread(target=self._work, name=f"look {root}", daemon=True)

    @property
    def waited_s(self) -> float:
        """Seconds that the disk has been asked without an answer."""
        return self._patience.waited_s

    def touched(self, path: Path) -> None:
        """An event told of this file."""
        if path not in self._touched:
            self._touched.add(path)
            self._asked.put(path)

    def replaced(self) -> None:
        """The watched folder itself went: what was asked for before says nothing about what is missing now."""
        with self._lock:
            self._replacements += 1
        self._asked.put(Replaced(self._root))

    def look(self, paths: Paths) -> None:
        """Say what becomes of these files."""
        self._asked.put(paths)

    def stop(self) -> None:
        """Look at nothing more, once what was asked for is answered."""
        self._asked.put(None)

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            match asked:
                case Replaced():
                    self._tell(asked)
                    with self._lock:
                        self._replacements -= 1
                case Path():
                    self._tell_of_event(asked)
                case _:
                    for looked in self._look_at_all(asked):
                        self._tell(looked)

    def _tell_of_event(self, path: Path) -> None:
        self._touched.discard(path)  # before the look, so that what happens after it is told again
        with self._patience.waiting():
            looked = _look_at(path)
        self._tell(looked if looked.fault else Touched(path, looked.stamp))

    def _look_at_all(self, paths: Paths) -> list[Looked]:
        """What is missing says something only of the folder that was asked about; another may have its very number."""
        by_folder = groupby(paths, key=lambda path: path.parent)
        looks = [looked for folder, inside in by_folder for looked in self._look_into(folder, inside)]
        with self._patience.waiting():
            void = not all(looked.stamp for looked in looks) and self._is_another()
        return [replace(looked, place=None) for looked in looks] if void else looks

    def _look_into(self, folder: Path, paths: Iterable[Path]) -> list[Looked]:
        """A file that is missing is missing at a place only if that was the same before and after."""
        with self._patience.waiting():
            before, is_there = self._place_of(folder)
            looks = [_look_at(path) if is_there else Looked(path, None, None) for path in paths]
            after, _ = self._place_of(folder)
        place = before if before == after else None
        return [replace(looked, place=place) for looked in looks]

    def _is_another(self) -> bool:
        """Whether another folder stands at the watched one's path now, or did so since this was asked for."""
        has_gone = self._watches is not None and self._watches.has_gone()  # first: it is watched anew once that is told
        return has_gone or self._replacements > 0

    def _place_of(self, folder: Path) -> tuple[Place | None, bool]:
        """Where the folder lies or would lie, as far as that can be told, and whether a scan would look into it."""
        try:
            return place_below(self._root, folder), is_reached(self._root, folder)
        except OSError:
            return None, True


def _look_at(path: Path) -> Looked:
    try:
        return Looked(path, stamp_of(path), None)
    except OSError as error:
        return Looked(path, None, None, error.strerror or str(error))
