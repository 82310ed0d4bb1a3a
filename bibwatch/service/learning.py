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


def event_now(store: Store, engine: str, *, runs: bool) -> Event:
    """The event that links are made by: the one that a running service knows, else what a pass would learn first."""
    return known_event(store) if runs else learned(store, engine)


def learn_anew(store: Store, engine: str) -> Event:
    """Learn the event from all that photos show, and keep it."""
    event = learned(store, engine)
    if not store.events.contents():  # photos may come back, and are known then
        return known_event(store)
    if event != known_event(store):
        store.events.keep(event.as_json())
    return event


class Learning:
    """Learns an event anew as its readings grow, so rarely that it costs little and so soon that few bibs wait."""

    def __init__(self, store: Store, engine: str) -> None:
        self._store = store
        self._engine = engine
        self._ended = 0  # photos' turns, and photos gone, since this began, when it was last looked at
        self._enough = 0.0  # more of them to look again
        self._at = float("-inf")  # monotonic seconds, when a single one is enough
        self.event = known_event(store)

    def look_again(self) -> None:
        """What photos show may have changed otherwise than by turns that ended here."""
        self._enough = 0.0

    def follow(self, ended: int, *, at_last: bool = False) -> bool:
        """Learn anew if so many photos that ended ask for it, or none will come; whether bibs are other ones now."""
        began, new = time.monotonic(), ended - self._ended
        if self._enough and not (new >= self._enough or (new and (at_last or began >= self._at))):
            return False
        event = learn_anew(self._store, self._engine)
        enough = max(1.0, GROWTH * self._store.events.contents())
        changed = not event.decides_like(self.event)
        self.event, self._ended, self._enough = event, ended, enough  # together, once the database has said it all
        took = time.monotonic() - began
        self._at = began + took + REST_SHARE * took
        return changed
