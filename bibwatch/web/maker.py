"""Small pictures are made by a process of their own, at a low priority: one photo after the other."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from bibwatch.children import Child, belong_to, end, start
from bibwatch.errors import PhotoError, PhotoOutOfReach
from bibwatch.values import Photo
from bibwatch.web.clerk import TooBusy

Shrink = Callable[[Photo, int], bytes]
Wish = tuple[Photo, int]  # a photo, and the longer side in pixels

NICENESS = 15  # with 19, a start alone may take half a minute where reading wants every core
MOST_WISHES = 300  # that wait; a page shows 60
PHOTO_S = 120.0  # after which a photo is given up, and the process with it


def live(connection: Connection, shrink: Shrink, parent: int) -> None:
    """The maker's main function; ends when the page closes the connection or dies."""
    belong_to(parent, niceness=NICENESS)
    with suppress(EOFError, OSError):
        while True:
            photo, side = connection.recv()
            connection.send(_made(shrink, photo, side))


def _made(shrink: Shrink, photo: Photo, side: int) -> bytes | PhotoError:
    try:
        return shrink(photo, side)
    except PhotoError as error:
        return error
    except OSError as error:
        return PhotoOutOfReach(f"the file cannot be read: {error.strerror}")
    except Exception as error:  # image libraries raise anything
        return PhotoError(f"no small picture of it can be made: {type(error).__name__}: {error}")


class Maker:
    """Makes what was wished for last first, since a person looks at it now; starts its process when first needed."""

    def __init__(self, shrink: Shrink) -> None:
        self._shrink = shrink
        self._wishes: dict[Wish, asyncio.Future[bytes]] = {}  # the latest last
        self._some = threading.Condition()
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._make_all, name="pictures", daemon=True)
        self._thread.start()

    async def make(self, photo: Photo, side: int) -> bytes:
        """A JPEG file of the photo, so large.

        Raises:
            TooBusy: too many others wait.
            PhotoError: it cannot be made.
        """
        wish = (photo, side)
        with self._some:
            made = self._wishes.pop(wish, None)
            if made is None:
                if len(self._wishes) >= MOST_WISHES:
                    raise TooBusy("too many pictures are asked for at once; try again in a moment")
                made = self._loop.create_future()
            self._wishes[wish] = made
            self._some.notify()
        return await asyncio.shield(made)

    def close(self) -> None:
        """End the process, once it has made what it is at."""
        with self._some:
            self._ended = True
            self._some.notify()
        self._thread.join(1.0)

    def _make_all(self) -> None:
        child: Child | None = None
        while (taken := self._next()) is not None:
            wish, made = taken
            try:
                child = child or start(live, self._shrink, name="bibwatch-pictures")
                answer = _ask(child[1], wish)
            except (EOFError, OSError) as error:
                answer = PhotoError(f"no small picture of it can be made: {error or 'its process died'}")
                if child is not None:
                    end(child)
                child = None
            self._loop.call_soon_threadsafe(_grant, made, answer)
        if child is not None:
            end(child)

    def _next(self) -> tuple[Wish, asyncio.Future[bytes]] | None:
        with self._some:
            self._some.wait_for(lambda: self._ended or self._wishes)
            return None if self._ended else self._wishes.popitem()


def _grant(made: asyncio.Future[bytes], answer: bytes | PhotoError) -> None:
    if isinstance(answer, bytes):
        made.set_result(answer)
    else:
        made.set_exception(answer)
        made.exception()  # who wished for it may have gone


def _ask(connection: Connection, wish: Wish) -> bytes | PhotoError:
    connection.send(wish)
    if not connection.poll(PHOTO_S):
        raise TimeoutError(f"not within {PHOTO_S:g} s")
    answer: bytes | PhotoError = connection.recv()
    return answer
