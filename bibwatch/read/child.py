"""The life of one reading child: fetch and decode the next photo on one thread while the engine reads on the other.

What travels between parent and child stands here too. For one photo: Fetch, Hashed, then Go or Drop, then Read or
Refused. The engine takes as many of the decoded photos at once as it reads best.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import isfinite
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from bibwatch.errors import BibwatchError, EngineBroken, PhotoError, PhotoOutOfReach
from bibwatch.read.engine import Engine
from bibwatch.read.photo_file import decode, load
from bibwatch.read.shot import shot_of
from bibwatch.values import Photo, Reading, Shot

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image

BuildEngine = Callable[[], Engine]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Fetch:
    """To the child: open, read and hash this photo, then ask what to do with it."""

    ticket: int  # names the photo's turn in this child
    photo: Photo
    last_look: bool  # take a picture without an end as it is


@dataclass(frozen=True, slots=True)
class Go:
    """To the child: decode and read the photo just hashed."""


@dataclass(frozen=True, slots=True)
class Drop:
    """To the child: the content of the photo just hashed is known; forget it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """From the child: the engine stands."""

    batch: int  # photos it reads best at once
    device: str  # where it runs, for people


@dataclass(frozen=True, slots=True)
class Ending:
    """From the child, its last word: why it can read nothing, or nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """From the child: the photo's bytes are read and have this SHA-256."""

    ticket: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """From the child: what the engine saw."""

    ticket: int
    readings: tuple[Reading, ...]
    width: int  # pixels of the upright photo
    height: int
    seconds: float  # decoding and reading
    shot: Shot | None


@dataclass(frozen=True, slots=True)
class Refused:
    """From the child: the photo could not be read."""

    ticket: int
    error: PhotoError


@dataclass(frozen=True, slots=True)
class _Decoded:
    ticket: int
    image: Image
    seconds: float
    shot: Shot | None


def live(connection: Connection, build: BuildEngine, parent: int) -> None:
    """The child's main function; ends when the parent closes the connection or dies."""
    _belong_to(parent)
    wire = _Wire(connection)
    decoded: queue.Queue[_Decoded] = queue.Queue()  # the parent hands out no more than the engine keeps up with
    threading.Thread(target=_fetch_all, args=(wire, decoded), name="fetch", daemon=True).start()
    try:
        engine = build()
    except BibwatchError as error:
        wire.end(str(error))
    except Exception as error:  # model libraries raise anything
        wire.end(f"{type(error).__name__}: {error}")
    wire.send(Loaded(engine.batch, engine.device))
    try:
        while True:
            _read(engine, _next_batch(decoded, engine.batch), wire.send)
    except EngineBroken as error:
        wire.end(str(error))


class _Wire:
    """The child's end of the connection: two threads send, one receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        with self._sending:
            self._connection.send(message)

    def end(self, reason: str) -> NoReturn:
        """Say why, and end at once: a broken GPU may hang an orderly end."""
        self.send(Ending(reason))
        os._exit(1)

    def receive(self) -> object:
        return self._connection.recv()


def _fetch_all(wire: _Wire, decoded: queue.Queue[_Decoded]) -> None:
    try:
        while True:
            fetch = wire.receive()
            assert isinstance(fetch, Fetch)
            answer = _fetch(wire, fetch)
            if isinstance(answer, _Decoded):
                decoded.put(answer)
            elif answer is not None:
                wire.send(answer)
    except (EOFError, OSError):
        # The parent is gone or wants us gone; the engine may be in the middle of a photo that nobody waits for.
        os._exit(0)


def _fetch(wire: _Wire, fetch: Fetch) -> _Decoded | Refused | None:
    started = time.perf_counter()
    photo = _tried(partial(load, fetch.photo))
    if isinstance(photo, PhotoError):
        return Refused(fetch.ticket, photo)
    wire.send(Hashed(fetch.ticket, photo.content))
    if isinstance(wire.receive(), Drop):
        return None
    image = _tried(partial(decode, photo.data, last_look=fetch.last_look))
    if isinstance(image, PhotoError):
        return Refused(fetch.ticket, image)
    return _Decoded(fetch.ticket, image, time.perf_counter() - started, shot_of(photo.data))


def _tried(step: Callable[[], Result]) -> Result | PhotoError:
    """What the step returns, or its error as one of the photo's: this thread must live on for the next photo."""
    try:
        return step()
    except PhotoError as error:
        return error
    except PermissionError as error:
        return PhotoError(f"the file cannot be read: {error.strerror}")
    except OSError as error:
        return PhotoOutOfReach(f"the file cannot be read: {error.strerror}")
    except Exception as error:
        return PhotoError(f"the photo cannot be taken in: {type(error).__name__}: {error}")


def _next_batch(decoded: queue.Queue[_Decoded], most: int) -> list[_Decoded]:
    """What is decoded by now, at least one photo and `most` at most: under load the batches fill by themselves."""
    batch = [decoded.get()]
    while len(batch) < most and not decoded.empty():
        batch.append(decoded.get())
    return batch


def _read(engine: Engine, batch: Sequence[_Decoded], send: Callable[[object], None]) -> None:
    """Send an answer for each photo, as soon as there is one.

    Where several together fail, each one left is read by itself, so that only the bad one pays.
    """
    left = deque(batch)
    fault, started = None, time.perf_counter()
    try:
        for readings in engine.read([photo.image for photo in batch]):
            now = time.perf_counter()
            _check_storable(readings)
            send(_answer(left.popleft(), readings, now - started))
            started = now
        if left:
            raise ValueError(f"no answer for {len(left)} of {len(batch)} photos")
    except EngineBroken:
        raise
    except Exception as error:  # model libraries raise anything; the photo is tried again
        fault = f"the engine failed: {type(error).__name__}: {error}"
    # Outside of the handler, which holds on to what filled the memory.
    if fault is not None and len(batch) == 1:
        send(Refused(batch[0].ticket, PhotoError(fault)))
    elif fault is not None:
        for photo in left:
            _read(engine, [photo], send)


def _check_storable(readings: Sequence[Reading]) -> None:
    """A number that is none, or a text that is none, is the photo's trouble here and would be everybody's later."""
    for reading in readings:
        reading.text.encode()
        scores = (reading.score, reading.detection_score, *(p for _, p in reading.spellings))
        if not all(map(isfinite, scores)):
            raise ValueError(f"a reading's scores are {', '.join(map(str, scores))}")


def _answer(photo: _Decoded, readings: tuple[Reading, ...], seconds: float) -> Read:
    height, width = photo.image.shape[:2]
    return Read(photo.ticket, readings, width, height, photo.seconds + seconds, photo.shot)


def _belong_to(parent: int) -> None:
    """Leave the terminal's signals to the parent, and end with it even in the middle of a photo."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    with suppress(OSError):  # where memory runs out, the kernel shall end this process, not the service
        Path("/proc/self/oom_score_adj").write_text("500")
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
