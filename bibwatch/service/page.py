"""The page's process beside the service: started, replaced and ended; what it is handed, and how it is."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bibwatch.children import Child, end, start
from bibwatch.config import Config, WebConfig
from bibwatch.match.decide import Decided
from bibwatch.match.folder import folder_name
from bibwatch.read.photo_file import load
from bibwatch.read.thumbnail import thumbnail
from bibwatch.service.correct import say, undo
from bibwatch.service.desk import DecidedBy, Desk
from bibwatch.service.health import Reason
from bibwatch.service.rooms import Rooms
from bibwatch.service.status import gather
from bibwatch.service.story import as_plain
from bibwatch.store.store import Store
from bibwatch.values import Correction, Photo
from bibwatch.web.serve import NotServing, Serving, live
from bibwatch.web.wiring import Wiring

RESTART_S = (1.0, 5.0, 15.0, 60.0)  # between tries, as they fail one after the other
STEADY_S = 60.0  # after which a page that ends has not failed at once

log = logging.getLogger(__name__)


class PageDesk:
    """The desk as the page knows it: `bibwatch.web.wiring.Desk` says what each method does."""

    def __init__(self, config: Config, decided_by: DecidedBy, writing: bool) -> None:
        self._config = config
        self.store = Store.open_existing(config.database) if writing else Store.open_read_only(config.database)
        self._desk = Desk(config, self.store, decided_by)

    @property
    def has_bursts(self) -> bool:
        return self._desk.rules.burst_s is not None

    def follow_event(self) -> bool:
        return self._desk.follow_event()

    def decide(self, names: Iterable[str]) -> Iterator[Decided]:
        return self._desk.decide(names)

    def spoken_for_by(self, names: Iterable[str]) -> set[str]:
        return self._desk.linking.burst_names(names)

    def why(self, photo: Path) -> dict[str, Any]:
        return as_plain(self._desk.story(photo))

    def status(self) -> dict[str, Any]:
        return gather(self._config.database).as_json()

    def folder_of(self, bib: str) -> Path | None:
        targets, links = self._config.targets, self._config.links
        if targets is not None and bib not in targets:
            return None
        entrants = self._desk.rules.bibs.entrants
        return links.root / folder_name(links.folder, bib, entrants.names.get(bib.upper(), "") if entrants else "")

    def say(self, photo: Path, words: Sequence[Correction]) -> None:
        say(self._desk, photo, words)

    def undo(self, photo: Path) -> None:
        undo(self._desk, photo)

    def close(self) -> None:
        self.store.close()


class Page:
    """Keeps the page up while its config asks for one. It can neither slow nor stop the service; times are monotonic
    seconds."""

    def __init__(self) -> None:
        self._wiring: Wiring | None = None
        self._child: Child | None = None
        self._address: str | None = None  # while it serves
        self._fault: str | None = None
        self._failures = 0  # one after the other
        self._start_at = self._started_at = 0.0

    def show(self, rooms: Rooms) -> None:
        """From now on the page is about these rooms as they are; one that was there before ends."""
        self.close()
        self._fault, self._failures, self._start_at = None, 0, 0.0
        self._wiring = None if rooms.config.web is None else _wiring(rooms, rooms.config.web)
        self.tend(time.monotonic())

    def tend(self, now: float) -> None:
        """Start the page if it is time to; notice what it says, and when it ends."""
        if self._wiring is None:
            return
        if self._child is None:
            if now >= self._start_at:
                self._begin(self._wiring, now)
            return
        process, connection = self._child
        while connection.poll():
            try:
                self._hear(connection.recv())
            except (EOFError, OSError):
                break
        if not process.is_alive():
            if self._address is not None or self._fault is None:
                self._fault = f"its process ended ({process.exitcode})"
            self._note_failure(now)

    def _begin(self, wiring: Wiring, now: float) -> None:
        self._started_at = now
        try:
            self._child = _start(wiring)
        except OSError as error:  # no room for another process
            self._fault = f"its process cannot be started: {error.strerror}"
            self._note_failure(now)

    def health(self) -> dict[str, Any]:
        """What `status` shows of it."""
        return {"page": self._address}

    def reasons(self) -> Iterator[Reason]:
        """Why there is no page, if there should be one."""
        if self._fault:
            yield Reason("page", f"the page is not there: {self._fault}")

    def close(self) -> None:
        """End the page; nothing of it is lost, since what it stores is stored at once."""
        self._address = None
        if self._child is not None:
            end(self._child)
            self._child = None

    def _hear(self, message: object) -> None:
        if isinstance(message, Serving):
            log.info("the page is at %s", message.address)
            self._address, self._fault = message.address, None
        elif isinstance(message, NotServing):
            self._fault = message.reason

    def _note_failure(self, now: float) -> None:
        steady = now - self._started_at >= STEADY_S
        self._failures = 1 if steady else self._failures + 1
        self._start_at = now + RESTART_S[min(self._failures, len(RESTART_S)) - 1]
        self.close()


def _wiring(rooms: Rooms, web: WebConfig) -> Wiring:
    config, entrants = rooms.config, rooms.rules.bibs.entrants
    return Wiring(
        listen=web.listener,
        token=web.token,
        pictures=config.database.with_name(config.database.name + ".pictures"),
        epoch=rooms.epoch,
        open_desk=partial(PageDesk, config, DecidedBy(rooms.engine, rooms.rules)),
        load=_bytes_of,
        shrink=thumbnail,
        targets=rooms.rules.targets.bibs,
        names=entrants.names if entrants else {},
    )


def _bytes_of(photo: Photo) -> bytes:
    return load(photo).data


def _start(wiring: Wiring) -> Child:
    child = start(live, name="bibwatch-page")
    # A long start list fills the pipe until the child has begun to read, which may take a second, or never be.
    threading.Thread(target=_hand_over, args=(child[1], wiring), name="page", daemon=True).start()
    return child


def _hand_over(connection: Connection, wiring: Wiring) -> None:
    with suppress(OSError):  # a child that died is noticed by its end
        connection.send(wiring)
