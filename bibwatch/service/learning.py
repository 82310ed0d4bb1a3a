"""What is learned of the event while its photos are read, and when that is looked at again."""

import time

from bibwatch.match.event import Event, SeenText, learn
from bibwatch.store.store import Store

GROWTH = 0.1  # of what was read when it was last looked at, after which it is looked at again
REST_SHARE = 50  # where few photos come, it is looked at again after this many times as long as the last look took


def known_event(store: Store) -> Event:
    """The event as it was learned last."""
    plain = store.events.last()
    return Event() if plain is None else Event.from_json(plain)


def learned(store: Store, engine: str) -> Event:
    """The event as all that photos show teaches it now."""
    return learn((SeenText(*row) for row in store.events.seen(engine)), store.events.contents())


def learn_anew(store: Store, engine: str) -> Event:
    """Learn the event from all that photos show, and keep it."""
    event = learned(store, engine)
    if event != known_event(store):
        store.events.keep(event.as_json())
    return event


class Learning:
    """Learns an event anew as its readings grow, so rarely that it costs little and so soon that few bibs wait."""

    def __init__(self, store: Store, engine: str) -> None:
        self._store = store
        self._engine = engine
        self._read = 0  # photos, by this service, when it was last looked at
        self._enough = 0.0  # more of them to look again
        self._at = float("-inf")  # monotonic seconds, when a single one is enough
        self.event = known_event(store)

    def follow(self, read: int, *, at_last: bool = False) -> bool:
        """Learn anew if so many photos read ask for it, or none will come; whether readings mean other bibs now."""
        began, new = time.monotonic(), read - self._read
        if self._enough and not (new >= self._enough or (new and (at_last or began >= self._at))):
            return False
        event = learn_anew(self._store, self._engine)
        enough = max(1.0, GROWTH * self._store.events.contents())
        changed = not event.decides_like(self.event)
        self.event, self._read, self._enough = event, read, enough  # together, once the database has said it all
        ended = time.monotonic()
        self._at = ended + REST_SHARE * (ended - began)
        return changed
