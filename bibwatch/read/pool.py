"""The reading children: as many as asked for, replaced when they die or hang."""

import itertools
import logging
import signal
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bibwatch.read.child import BuildEngine
from bibwatch.read.messages import Drop, Ending, Go, Hashed, Loaded, Read, Refused
from bibwatch.read.worker import Limits, Worker
from bibwatch.values import Job

ACCIDENTS = 3  # processes that died while loading, in a row, before the engine counts as unavailable
END_S = 1.0  # for a killed process to be gone; one that hangs in a dead share's I/O is left behind
RESTART_DELAYS_S = (1.0, 2.0, 5.0, 15.0, 30.0)  # between tries to load an engine that does not load
RESTARTS, RESTARTS_S = 5, 60.0  # so many processes may be replaced in so many seconds; then the next one waits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lost:
    """The child died or hung with this photo in hand."""

    reason: str


Answer = Hashed | Read | Refused | Lost


class Pool:
    """Hands photos to children and collects what they say. Used from one thread; times are monotonic seconds."""

    def __init__(self, builds: Sequence[BuildEngine], workers: int, limits: Limits) -> None:
        self._builds = builds  # one for each device; the children are spread evenly over them
        self.workers = workers  # wanted
        self.replaced = 0  # that ended before their time
        self._limits = limits
        self._children: list[Worker] = []
        self._tickets = itertools.count(1)
        self._failures = 0  # loads that failed in a row
        self._next_start = 0.0
        self._replaced_at: deque[float] = deque(maxlen=RESTARTS)  # when the last children were replaced
        self._last_death = ""
        self.fault: str | None = None  # why no engine could be loaded, while that is so

    def start(self) -> None:
        """Start the children; they load their engines on their own time."""
        while len(self._children) < self.workers and self._start_one():
            pass

    def waitables(self) -> list[Connection | int]:
        """What becomes ready when a child has something to say or ends."""
        return [w for child in self._children for w in (child.connection, child.process.sentinel)]

    @property
    def room(self) -> int:
        """How many photos the children would take now."""
        return sum(child.takes_more() for child in self._children)

    @property
    def slowed(self) -> str | None:
        """Why children are replaced slowly now, if they are: too many have died."""
        if len(self._children) >= self.workers or not self._has_replaced_many():
            return None
        return f"{RESTARTS} reading processes died within a minute, so new ones wait; the last one: {self._last_death}"

    def _has_replaced_many(self) -> bool:
        return len(self._replaced_at) == RESTARTS and time.monotonic() - self._replaced_at[0] < RESTARTS_S

    @property
    def ready(self) -> int:
        """How many children have their engine loaded."""
        return sum(child.loaded is not None for child in self._children)

    @property
    def devices(self) -> list[str]:
        """Where the loaded engines run."""
        return sorted({child.loaded.device for child in self._children if child.loaded is not None})

    @property
    def lack(self) -> str | None:
        """Why an engine does not run where it would run faster, if one does not."""
        return next((child.loaded.lack for child in self._children if child.loaded and child.loaded.lack), None)

    @property
    def busy(self) -> int:
        """How many photos are in hand."""
        return sum(len(child.in_hand) for child in self._children)

    @property
    def kept_waiting_s(self) -> float:
        """Seconds that a child has waited to hear whether to read the photo it has hashed."""
        asked_at = [child.asked_at for child in self._children if child.asked_at is not None]
        return time.monotonic() - min(asked_at) if asked_at else 0.0

    @property
    def pids(self) -> list[int]:
        """The children's process ids."""
        return [child.process.pid for child in self._children if child.process.pid is not None]

    def submit(self, job: Job, *, last_look: bool, alone: bool) -> bool:
        """Give the photo to the child with the least in hand; False where none takes it now.

        `alone` is for a photo whose child died before: with no other in the same child, it can only cost itself.
        """
        able = [child for child in self._children if child.takes_more() and not (alone and child.in_hand)]
        if not able:
            return False
        child = min(able, key=lambda child: len(child.in_hand))
        child.fetch(next(self._tickets), job, last_look=last_look, alone=alone)
        return True

    def go(self, job: Job) -> None:
        """Let the child that hashed this photo read it."""
        child = self._asking_about(job)
        if child is not None:
            child.reply(Go())
            child.fetching = None  # its decoded picture waits in the child, so the next may be fetched

    def drop(self, job: Job) -> None:
        """Let the child that hashed this photo forget it."""
        child = self._asking_about(job)
        if child is not None and child.fetching is not None:
            child.reply(Drop())
            child.hand_back(child.fetching)

    def collect(self) -> list[tuple[Job, Answer]]:
        """What the children have said since last time; kills those that hang and replaces those that ended."""
        answers: list[tuple[Job, Answer]] = []
        for child in list(self._children):
            answers += self._listen(child)
            # One that was killed counts as ended at once: in a dead share's I/O not even SIGKILL ends it.
            if self._is_beyond_limits(child) or not child.process.is_alive():
                answers += self._listen(child)
                answers += self._bury(child)
        self._replace_dead()
        return answers

    def _replace_dead(self) -> None:
        while len(self._children) < self.workers and time.monotonic() >= self._next_start:
            if self._has_replaced_many():
                return
            if self._start_one():
                self._replaced_at.append(time.monotonic())
                self.replaced += 1

    def _start_one(self) -> bool:
        try:
            used = Counter(child.build for child in self._children)
            self._children.append(Worker.start(min(self._builds, key=used.__getitem__)))
        except OSError as error:
            self._note_failed_start(None, f"no process can be started: {error.strerror}")
            return False
        return True

    def stop(self) -> list[Job]:
        """End every child at once; returns the photos that were in hand."""
        jobs = [job for child in self._children for job in child.in_hand.values()]
        for child in self._children:
            child.process.kill()
        for child in self._children:
            child.process.join(END_S)
            child.connection.close()
        self._children.clear()
        return jobs

    def _listen(self, child: Worker) -> list[tuple[Job, Answer]]:
        answers: list[tuple[Job, Answer]] = []
        try:
            while child.connection.poll():
                message = child.connection.recv()
                if isinstance(message, Hashed):
                    child.asked_at = time.monotonic()
                    answers.append((child.in_hand[message.ticket], message))
                elif isinstance(message, Read | Refused):
                    answers.append((child.hand_back(message.ticket), message))
                else:
                    self._note_load(child, message)
        except (EOFError, OSError):
            pass  # it ended; its sentinel tells the rest
        return answers

    def _note_load(self, child: Worker, message: Loaded | Ending) -> None:
        if isinstance(message, Loaded):
            child.loaded = message
            child.since = time.monotonic()
            self._failures = 0
            self.fault = None
        else:
            child.verdict = message.reason

    def _is_beyond_limits(self, child: Worker) -> bool:
        """Whether the child has had its time for its oldest photo or for loading, or its memory; then it is killed."""
        child.verdict = child.verdict or child.excess(self._limits)
        if child.verdict is None:
            return False
        child.process.kill()
        child.process.join(END_S)
        return True

    def _bury(self, child: Worker) -> list[tuple[Job, Answer]]:
        """Take a dead child's photos back."""
        self._children.remove(child)
        exitcode = child.process.exitcode
        self._last_death = child.verdict or _ending(exitcode)
        reason = child.verdict or f"its reading process {_ending(exitcode)}"
        child.connection.close()
        if not child.in_hand:  # else its photos tell
            log.warning("%s, with no photo in hand", reason)
        if not child.loaded:
            self._note_failed_start(child.verdict, f"the engine's process {_ending(exitcode)} while loading")
        return [(job, Lost(reason)) for job in child.in_hand.values()]

    def _note_failed_start(self, verdict: str | None, otherwise: str) -> None:
        """Try again later; what the engine itself says against loading counts at once, an accident when it repeats."""
        delay = RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S) - 1)]
        self._failures += 1
        self._next_start = time.monotonic() + delay
        if verdict is not None or self._failures >= ACCIDENTS:
            self.fault = verdict or otherwise

    def _asking_about(self, job: Job) -> Worker | None:
        """The child that waits to hear about this photo; None where it has died meanwhile."""
        return next((child for child in self._children if child.in_hand.get(child.fetching or 0) is job), None)


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was ended by {signal.Signals(-exitcode).name}"
    return f"ended with exit code {exitcode}"
