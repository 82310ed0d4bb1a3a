"""A thread that does what may block, with a desk of its own: questions and corrections never hold up the page."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from bibwatch.errors import BibwatchError, DatabaseFault
from bibwatch.store.schema import database_faults
from bibwatch.web.wiring import Desk

T = TypeVar("T")
MOST_WAITING = 200  # questions; who asks after that is told to come back later


class TooBusy(BibwatchError):
    """More people ask than can be answered."""


class Clerk:
    """Answers one question after the other; opens its desk when first asked, and anew after the database failed."""

    def __init__(self, open_desk: Callable[[], Desk], name: str) -> None:
        self._open = open_desk
        self._desk: Desk | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._waiting = 0

    async def ask(self, question: Callable[[Desk], T]) -> T:
        """What the question makes of the desk.

        Raises:
            TooBusy: too many others wait.
            BibwatchError: the database is not there or fails, or what the question raises.
        """
        if self._waiting >= MOST_WAITING:
            raise TooBusy("too many people ask at once; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the last question end, and let go of the database."""
        self._thread.submit(self._leave)
        self._thread.shutdown()

    def _answer(self, question: Callable[[Desk], T]) -> T:
        try:
            with database_faults():
                if self._desk is None:
                    self._desk = self._open()
                return question(self._desk)
        except DatabaseFault:
            self._leave()
            raise

    def _leave(self) -> None:
        if self._desk is not None:
            with suppress(DatabaseFault), database_faults():
                self._desk.close()
        self._desk = None
