"""The life of one reading child: fetch and decode the next photo on one thread while the engine reads on the other.

The engine takes as many of the decoded photos at once as it reads best.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn, TypeVar

from bibwatch.children import belong_to
from bibwatch.errors import BibwatchError, EngineBroken, PhotoError, PhotoOutOfReach
from bibwatch.read.engine import Engine
from bibwatch.read.messages import Drop, Ending, Fetch, Hashed, Loaded, Read, Refused
from bibwatch.read.photo_file import decode, encoded, load, size_of
from bibwatch.read.shot import shot_of
from bibwatch.read.stages import Stages
from bibwatch.values import Reading, Shot

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Picture

BuildEngine = Callable[[], Engine]
Take = Callable[..., "Picture"]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Decoded:
    ticket: int
    picture: Picture
    stages: Stages
    shot: Shot | None


def live(connection: Connection, build: BuildEngine, parent: int) -> None:
    """The child's main function; ends when the parent closes the connection or dies."""
    belong_to(parent)
    wire = _Wire(connection)
    decoded: queue.Queue[_Decoded] = queue.Queue()  # the parent hands out no more than the engine keeps up with
    fetcher = _Fetcher(wire, decoded)
    threading.Thread(target=fetcher.fetch_all, name="fetch", daemon=True).start()
    try:
        engine = build()
    except BibwatchError as error:
        wire.end(str(error))
    except Exception as error:  # model libraries raise anything
        wire.end(f"{type(error).__name__}: {error}")
    fetcher.take = encoded if engine.decodes else decode
    wire.send(Loaded(engine.batch, engine.device, engine.lack))
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


class _Fetcher:
    """Fetches one photo after the other, as the parent asks for them."""

    def __init__(self, wire: _Wire, decoded: queue.Queue[_Decoded]) -> None:
        self._wire = wire
        self._decoded = decoded
        self.take: Take = decode  # from a file's bytes to what the engine reads

    def fetch_all(self) -> None:
        try:
            while True:
                fetch = self._wire.receive()
                assert isinstance(fetch, Fetch)
                answer = self._fetch(fetch)
                if isinstance(answer, _Decoded):
                    self._decoded.put(answer)
                elif answer is not None:
                    self._wire.send(answer)
        except (EOFError, OSError):
            # The parent is gone or wants us gone; the engine may be in the middle of a photo that nobody waits for.
            os._exit(0)

    def _fetch(self, fetch: Fetch) -> _Decoded | Refused | None:
        stages = Stages()
        with stages.during("read"):
            photo = _tried(partial(load, fetch.photo))
        if isinstance(photo, PhotoError):
            return Refused(fetch.ticket, photo)
        self._wire.send(Hashed(fetch.ticket, photo.content))
        if isinstance(self._wire.receive(), Drop):
            return None
        with stages.during("decode"):
            picture = _tried(partial(self.take, photo.data, last_look=fetch.last_look))
            shot = shot_of(photo.data)
        if isinstance(picture, PhotoError):
            return Refused(fetch.ticket, picture)
        return _Decoded(fetch.ticket, picture, stages, shot)


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
    fault: PhotoError | None = None
    try:
        for readings in engine.read([photo.picture for photo in batch]):
            _check_storable(readings)
            left[0].stages.add(engine.stages.take())
            send(_answer(left.popleft(), readings))
        if left:
            raise ValueError(f"no answer for {len(left)} of {len(batch)} photos")
    except EngineBroken:
        raise
    except PhotoError as error:
        fault = error
    except Exception as error:  # model libraries raise anything; the photo is tried again
        fault = PhotoError(f"the engine failed: {type(error).__name__}: {error}")
    # Outside of the handler, which holds on to what filled the memory.
    engine.stages.take()  # of what failed
    if fault is not None and len(batch) == 1:
        send(Refused(batch[0].ticket, fault))
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


def _answer(photo: _Decoded, readings: tuple[Reading, ...]) -> Read:
    height, width = size_of(photo.picture)
    return Read(photo.ticket, readings, width, height, photo.stages.take(), photo.shot)
