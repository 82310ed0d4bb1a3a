"""The page's parts put together, and what keeps them up to date."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bibwatch.errors import BibwatchError
from bibwatch.match.decide import Decided
from bibwatch.values import Photo
from bibwatch.web.cards import Card, card
from bibwatch.web.catalogue import Catalogue, Entry, Wishes
from bibwatch.web.clerk import Clerk
from bibwatch.web.follow import Follower, News
from bibwatch.web.live import Hub
from bibwatch.web.pictures import Pictures
from bibwatch.web.runners import Runners
from bibwatch.web.wiring import Desk, Wiring

MOST_CARDS = 1000  # that are kept made: most people look at the same photos
LOOK_S = 0.5  # between looks at what changed
PAUSE_S = 0.002  # between looks while there is more: others are served meanwhile
VOLATILE = ("since_start", "oldest_waiting_s", "settling", "workers")  # of the status: not worth an event


class NoSuchPhoto(BibwatchError):
    """A photo is asked for that is not known."""


class Site:
    """What every request is answered from; lives in the event loop's thread."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.asks = Clerk(partial(wiring.open_desk, False), "asks")
        self.says = Clerk(partial(wiring.open_desk, True), "says")
        self.pictures = Pictures(wiring.pictures, wiring.shrink)
        self.hub = Hub()
        self.catalogue = Catalogue(Wishes(wiring.targets, wiring.names))
        self._asked = {bib.upper(): bib for bib in wiring.targets or ()}
        self.runners = Runners(wiring.names)
        self.status: dict[str, Any] = {}
        self.photos = 0  # in the database
        self.fault: str | None = None  # why the database cannot be asked now
        self.downloads = 0  # that are being sent
        self._cards = OrderedDict[Entry, Card]()  # those looked at last
        self._follower = Follower(wiring.epoch)
        self._looking = asyncio.Lock()

    async def follow(self) -> None:
        """Keep up with the database until cancelled."""
        while True:
            more = await self.look()
            await asyncio.sleep(PAUSE_S if more else LOOK_S)

    async def look(self) -> bool:
        """Take in what changed; whether there is more."""
        async with self._looking:
            try:
                news = await self.asks.ask(self._follower.look)
            except BibwatchError as error:
                self._note_fault(str(error))
                return False
            self._note_fault(None)
            self._take(news)
            return news.more

    def named(self, typed: str) -> str:
        """The bib that somebody means, as the targets have it, or in capitals."""
        return self._asked.get(typed.upper(), typed.upper())

    async def photo(self, photo_id: int) -> Photo:
        """A photo by its id, as it was queued last.

        Raises:
            NoSuchPhoto: it is gone, or never was.
        """
        photo = await self.asks.ask(lambda desk: desk.store.album.photo(photo_id))
        if photo is None:
            raise NoSuchPhoto("There is no such photo any more.")
        return photo

    async def cards(self, entries: Sequence[Entry]) -> list[Card]:
        """The cards of these photos, less those that have just gone."""
        kept = {entry: self._cards[entry] for entry in entries if entry in self._cards}
        kept |= {entry: card(entry, one) for entry, one in await self._decided([e for e in entries if e not in kept])}
        for entry, made in kept.items():
            self._cards[entry] = made
            self._cards.move_to_end(entry)
        while len(self._cards) > MOST_CARDS:
            self._cards.popitem(last=False)
        return [kept[entry] for entry in entries if entry in kept]

    async def whole_card(self, entry: Entry) -> Card | None:
        """A photo's card with all that was read in it; None where it has just gone."""
        return next((card(entry, one, all_texts=True) for entry, one in await self._decided([entry])), None)

    async def _decided(self, entries: Sequence[Entry]) -> list[tuple[Entry, Decided]]:
        if not entries:
            return []

        def decide(desk: Desk) -> dict[Path, Decided]:
            return {one.photo.path: one for one in desk.decide({entry.path.name for entry in entries})}

        found = await self.asks.ask(decide)
        return [(entry, found[entry.path]) for entry in entries if entry.path in found]

    def close(self) -> None:
        """Let go of everything."""
        self.pictures.close()
        self.asks.close()
        self.says.close()

    def _take(self, news: News) -> None:
        version, was_complete = self.catalogue.version, self.catalogue.complete
        self.catalogue.put(news.entries)
        self.catalogue.drop(news.gone)
        self.catalogue.complete |= news.complete
        changed = self.catalogue.version != version or self.catalogue.complete != was_complete
        if news.status is not None:
            changed |= _lasting(news.status) != _lasting(self.status)
            self.status, self.photos = news.status, news.photos
        if changed:
            self.hub.tell()

    def _note_fault(self, fault: str | None) -> None:
        if fault != self.fault:
            self.fault = fault
            self.hub.tell()


def _lasting(status: dict[str, Any]) -> dict[str, Any]:
    ready = status.get("workers", {}).get("ready")
    return {key: value for key, value in status.items() if key not in VOLATILE} | {"ready": ready}
