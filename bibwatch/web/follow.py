"""What changed in the database since the last look, for the catalogue."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bibwatch.match.decide import Decided
from bibwatch.store.album import Place
from bibwatch.web.catalogue import Entry
from bibwatch.web.wiring import Desk

AT_ONCE = 200  # photos that one look takes in: some hundredths of a second's work
LATE_S = 60.0  # that the end of a turn may be stored after its time, where the database was locked
SILENT_S = 5.0  # without a change, after which the service is asked after: one that hangs writes nothing
TELL_S = 0.5  # between questions after the service itself, which may take as long as fifty photos


@dataclass(slots=True)
class News:
    """What one look found."""

    entries: list[Entry] = field(default_factory=list)  # photos that are new, or may show something else now
    gone: list[int] = field(default_factory=list)  # ids of photos that are not to be shown any more
    status: dict[str, Any] | None = None  # None: as before
    photos: int = 0  # in the database
    complete: bool = False  # whether every photo has been looked at
    more: bool = False  # whether another look would find more at once


class Follower:
    """Looks at every photo once, and then at those that change. Asks a desk; all calls from one thread."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch  # see Wiring
        self._known = set[int]()  # ids of the photos told of
        self._looked = 0  # the id that the first look at all, or the one after other rules, has come to
        self._all_seen = False
        self._again = False  # whether another pass is to follow this one
        self._ended = (epoch + time.monotonic() - LATE_S, 0)  # the turn's end that was seen last
        self._said: dict[int, tuple[int, int, float]] | None = None
        self._more = True  # whether there is more to see although nothing changes
        self._told_at = float("-inf")  # monotonic seconds, when the service was asked after last

    def look(self, desk: Desk) -> News:
        """What changed since the last look, as much of it as one look takes in.

        Raises:
            what the desk raises; then the next look begins with all photos again.
        """
        changed = desk.store.changed_elsewhere()
        if not changed and not self._more and time.monotonic() - self._told_at < SILENT_S:
            return News(complete=self._all_seen)
        self._more = True
        try:
            return self._look(desk)
        except BaseException:
            self._begin_anew()
            raise

    def _begin_anew(self) -> None:
        self._looked, self._all_seen = 0, False

    def _look(self, desk: Desk) -> News:
        news = News()
        if desk.follow_event():
            self._begin_anew()
        ended = self._ended_since(desk)
        changed = {place.photo_id: place for place in (*ended, *self._said_of(desk))}
        before = set(self._known) if desk.has_bursts else set[int]()
        overwritten = before & {place.photo_id for place in ended}
        if desk.has_bursts and changed:
            around = desk.spoken_for_by({place.path.name for place in changed.values()})
            changed |= {place.photo_id: place for place in desk.store.album.named(around)}
        self._decide(desk, {place.photo_id: place for place in self._next(desk)} | changed, news)
        news.complete = self._all_seen
        news.more = not self._all_seen or len(ended) == AT_ONCE
        if not news.more or time.monotonic() - self._told_at >= TELL_S:
            self._ask_after_the_whole(desk, news)
        if overwritten or not before.isdisjoint(news.gone):
            self._again = True  # nobody knows any more whom what was there before has spoken for
        if self._again and self._all_seen:
            self._again, news.more = False, True
            self._begin_anew()
        self._more = news.more
        return news

    def _ask_after_the_whole(self, desk: Desk, news: News) -> None:
        self._told_at = time.monotonic()
        news.status = desk.status()
        news.photos, read = desk.store.album.count()
        if read != len(self._known) and not news.more:
            gone = self._known - desk.store.album.read_ids()
            news.gone += gone
            self._known -= gone

    def _next(self, desk: Desk) -> list[Place]:
        if self._all_seen:
            return []
        places = desk.store.album.after(self._looked, AT_ONCE)
        self._all_seen = len(places) < AT_ONCE
        self._looked = places[-1].photo_id if places else self._looked
        return places

    def _ended_since(self, desk: Desk) -> list[Place]:
        places = desk.store.album.ended(self._ended, self._epoch + time.monotonic(), AT_ONCE)
        self._ended = places[-1].when if places else self._ended
        return places

    def _said_of(self, desk: Desk) -> list[Place]:
        said, before = desk.store.corrections.marks(), self._said
        self._said = said
        if before is None:
            return []
        changed = {content for content in said.keys() | before.keys() if said.get(content) != before.get(content)}
        return desk.store.album.named(desk.store.corrections.names_of(changed)) if changed else []

    def _decide(self, desk: Desk, places: dict[int, Place], news: News) -> None:
        if not places:
            return
        decided = {one.photo.path: one for one in desk.decide({place.path.name for place in places.values()})}
        for place in places.values():
            if (one := decided.get(place.path)) is None:
                news.gone.append(place.photo_id)
            else:
                news.entries.append(entry_of(place, one))
        self._known.difference_update(news.gone)
        self._known.update(entry.photo_id for entry in news.entries)


def entry_of(place: Place, one: Decided) -> Entry:
    """A decided photo as the catalogue has it."""
    maybes = tuple((match.bib, match.probability) for match in one.maybes)
    bibs = tuple(sorted(one.bibs))
    return Entry(place.photo_id, str(place.path), place.changed_at, bibs, maybes, bool(one.photo.corrections))


def in_order(bibs: Iterable[str]) -> list[str]:
    """Bibs as people count: 7, 042, 42, 2419, A7."""
    return sorted(bibs, key=lambda bib: (0, int(bib), bib) if bib.isdecimal() else (1, 0, bib))
