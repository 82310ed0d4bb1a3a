"""What every photo shows, by id, by bib and by time, as far as it has been looked at. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """A photo in the catalogue."""

    photo_id: int
    where: str  # path of its file; there are too many for each to be a Path
    ended_at: float  # seconds since the epoch, when its turn ended
    bibs: tuple[str, ...]
    maybes: tuple[tuple[str, float], ...]  # bib, probability; the likeliest first
    spoken_of: bool  # whether a person has said anything about it

    @property
    def path(self) -> Path:
        """Where its file lies."""
        return Path(self.where)


def mark_of(entry: Entry) -> str:
    """What tells whether a photo is still as somebody saw it: another one after another version, and other bibs."""
    return f"{entry.ended_at!r} {' '.join(entry.bibs)}"


class Doubt(NamedTuple):
    """A photo that a person should look at, and how soon: the least first."""

    kind: int  # TARGET, RUNNER, OTHER or NOTHING
    unlikeliness: float  # of its proposal
    photo_id: int


TARGET, RUNNER, OTHER, NOTHING = range(4)  # may show a target, somebody on the start list, another bib; shows none


@dataclass(frozen=True, slots=True)
class Wishes:
    """Whose photos are wanted most."""

    targets: frozenset[str] | None  # None: all alike
    runners: Mapping[str, str]  # in capitals; empty where there is no start list

    def kind_of(self, bib: str) -> int:
        """How much a maybe is wanted."""
        if self.targets is not None and bib in self.targets:
            return TARGET
        return RUNNER if bib.upper() in self.runners else OTHER

    def rank(self, bib: str, probability: float) -> tuple[int, float]:
        """How soon a maybe should be looked at: the least first."""
        return self.kind_of(bib), 1 - probability


class Catalogue:
    """For one thread. `version` is another one after every change."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.version = 0
        self.complete = False  # whether every photo has been looked at once
        self._entries: dict[int, Entry] = {}
        self._by_time: list[tuple[float, int]] = []
        self._showing: dict[str, set[int]] = defaultdict(set)
        self._maybe: dict[str, set[int]] = defaultdict(set)
        self._doubts: list[Doubt] = []  # sorted

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[Entry]) -> None:
        """These photos show this now."""
        for entry in entries:
            self._drop(entry.photo_id)
            self._entries[entry.photo_id] = entry
            insort(self._by_time, (entry.ended_at, entry.photo_id))
            for bib in entry.bibs:
                self._showing[bib].add(entry.photo_id)
            for bib, _ in entry.maybes:
                self._maybe[bib].add(entry.photo_id)
            if (doubt := self._doubt_of(entry)) is not None:
                insort(self._doubts, doubt)
            self.version += 1

    def drop(self, photo_ids: Iterable[int]) -> None:
        """These photos are gone, or cannot be read any more."""
        for photo_id in photo_ids:
            self.version += self._drop(photo_id)

    def get(self, photo_id: int) -> Entry | None:
        """A photo by its id."""
        return self._entries.get(photo_id)

    def newest(self, limit: int) -> list[Entry]:
        """Those read last, the newest first."""
        return [self._entries[photo_id] for _, photo_id in reversed(self._by_time[-limit:])]

    def beside(self, photo_id: int) -> tuple[int | None, int | None]:
        """The photos whose turns ended just before a photo's and just after it."""
        entry = self._entries.get(photo_id)
        if entry is None:
            return None, None
        place = bisect_left(self._by_time, (entry.ended_at, photo_id))
        before, after = self._by_time[max(0, place - 1) : place], self._by_time[place + 1 : place + 2]
        return (before[0][1] if before else None), (after[0][1] if after else None)

    def bibs(self) -> dict[str, int]:
        """Bib -> how many photos show it."""
        return {bib: len(photos) for bib, photos in self._showing.items() if photos}

    def count(self, bib: str) -> int:
        """How many photos show a bib."""
        return len(self._showing.get(bib, ()))

    def showing(self, bib: str) -> list[Entry]:
        """The photos that show a bib, by path."""
        return self._by_path(self._showing.get(bib, ()))

    def maybe_showing(self, bib: str) -> list[Entry]:
        """The photos that only may show it, by path."""
        return self._by_path(self._maybe.get(bib, ()))

    def first_doubt(self, without: Collection[int] = ()) -> Doubt | None:
        """The photo to look at first, but for these."""
        return next((doubt for doubt in self._doubts if doubt.photo_id not in without), None)

    def doubt_of(self, photo_id: int) -> Doubt | None:
        """Why a person should look at a photo; None where nobody need."""
        entry = self._entries.get(photo_id)
        return None if entry is None else self._doubt_of(entry)

    def left(self) -> dict[int, int]:
        """Kind of doubt -> how many photos wait for a person with it."""
        starts = [bisect_left(self._doubts, Doubt(kind, 0.0, 0)) for kind in range(NOTHING + 2)]
        return {kind: starts[kind + 1] - starts[kind] for kind in range(NOTHING + 1)}

    def _by_path(self, photo_ids: Iterable[int]) -> list[Entry]:
        return sorted((self._entries[photo_id] for photo_id in photo_ids), key=lambda entry: entry.where)

    def _doubt_of(self, entry: Entry) -> Doubt | None:
        if entry.spoken_of and not entry.maybes:
            return None
        if entry.maybes:
            kind, unlikeliness = min(self.wishes.rank(bib, probability) for bib, probability in entry.maybes)
            return Doubt(kind, unlikeliness, entry.photo_id)
        return None if entry.bibs else Doubt(NOTHING, 0.0, entry.photo_id)

    def _drop(self, photo_id: int) -> bool:
        entry = self._entries.pop(photo_id, None)
        if entry is None:
            return False
        del self._by_time[bisect_left(self._by_time, (entry.ended_at, photo_id))]
        for bib in entry.bibs:
            self._showing[bib].discard(photo_id)
        for bib, _ in entry.maybes:
            self._maybe[bib].discard(photo_id)
        if (doubt := self._doubt_of(entry)) is not None:
            del self._doubts[bisect_left(self._doubts, doubt)]
        return True
