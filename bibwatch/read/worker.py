"""One reading child, as its parent sees it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from bibwatch.read.child import BuildEngine, live
from bibwatch.read.messages import Drop, Fetch, Go, Loaded
from bibwatch.values import Job

TUNABLES = "GLIBC_TUNABLES"
BATCHES = 2  # a child holds: one in the engine, one being fetched and decoded meanwhile


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take before it is killed."""

    photo_s: float
    load_s: float = 300.0  # for the engine to load
    memory: int | None = None  # bytes resident


@dataclass(slots=True)
class Worker:
    """A child process and the photos it has in hand."""

    process: BaseProcess
    connection: Connection
    build: BuildEngine
    since: float  # monotonic seconds: when it started, or when its oldest photo became the oldest
    loaded: Loaded | None = None
    in_hand: dict[int, Job] = field(default_factory=dict)  # ticket -> photo, oldest first
    fetching: int | None = None
    alone: bool = False  # holds a photo that gets no company
    asked_at: float | None = None  # since when it waits to hear whether to read the photo it has hashed
    verdict: str | None = None  # why it was killed, or said it would end

    @classmethod
    def start(cls, build: BuildEngine) -> "Worker":
        """A new child, which begins to load its engine."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=live, args=(theirs, build, os.getpid()), name="bibwatch-reader", daemon=True)
        with _large_pages():
            process.start()
        theirs.close()
        return cls(process, ours, build, since=time.monotonic())

    def takes_more(self) -> bool:
        """Whether it would take another photo now."""
        if self.loaded is None or self.verdict is not None or self.alone or self.fetching is not None:
            return False
        return len(self.in_hand) < BATCHES * self.loaded.batch

    def oldest(self) -> int:
        """The ticket of the photo that the child's time runs for."""
        return next(iter(self.in_hand))

    def memory(self) -> int:
        """Resident bytes; 0 where it has just ended."""
        try:
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def excess(self, limits: Limits) -> str | None:
        """What it takes more of than it may: time for its oldest photo or for loading, or memory."""
        waited = time.monotonic() - self.since
        if limits.memory is not None and (used := self.memory()) > limits.memory:
            return f"it took {used / 2**30:.1f} GiB of memory, more than the {limits.memory / 2**30:.1f} it may have"
        if self.asked_at is not None and self.fetching == self.oldest():
            return None  # it waits for us
        if not self.loaded and waited > limits.load_s:
            return f"the engine did not load within {limits.load_s:g} s"
        if self.loaded and self.in_hand and waited > limits.photo_s:
            return f"no answer within {limits.photo_s:g} s"
        return None

    def fetch(self, ticket: int, job: Job, *, last_look: bool, alone: bool) -> None:
        """Hand it a photo."""
        if not self.in_hand:
            self.since = time.monotonic()
        self.in_hand[ticket] = job
        self.fetching = ticket
        self.alone = alone
        self._send(Fetch(ticket, job.photo, last_look))

    def reply(self, answer: Go | Drop) -> None:
        """Tell it what to do with the photo it has hashed."""
        self.asked_at = None
        if self.fetching == self.oldest():
            self.since = time.monotonic()
        self._send(answer)

    def hand_back(self, ticket: int) -> Job:
        """Take a photo back."""
        if self.fetching == ticket:
            self.fetching = None
        if ticket == self.oldest():
            self.since = time.monotonic()
        self.alone = False
        return self.in_hand.pop(ticket)

    def _send(self, message: object) -> None:
        # One that has just died is noticed by its sentinel, which brings its photos back.
        with suppress(OSError):
            self.connection.send(message)


@contextmanager
def _large_pages() -> Iterator[None]:
    """Let a process that is started have large blocks of memory in large pages, which spares it a fifth of its time.

    glibc looks at this when a process begins: see ld.so(8), and the tunables in its manual.
    """
    given = os.environ.get(TUNABLES)
    os.environ[TUNABLES] = given or "glibc.malloc.hugetlb=1"
    try:
        yield
    finally:
        if given is None:
            del os.environ[TUNABLES]
