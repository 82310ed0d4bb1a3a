"""The reading children: as many as asked for, replaced when they die or hang."""

import itertools
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bibwatch.read.child import BuildEngine, Drop, Ending, Go, Hashed, Loaded, Read, Refused
from bibwatch.read.worker import Worker
from bibwatch.values import Job

ACCIDENTS = 3  # processes that died while loading, in a row, before the engine counts as unavailable
END_S = 1.0  # for a killed process to be gone; one that hangs in a dead share's I/O is left behind
RESTART_DELAYS_S = (1.0, 2.0, 5.0, 15.0, 30.0)  # between tries to load an engine that does not load


@dataclass(frozen=True, slots=True)
class Lost:
    """The child died or hung with this photo in hand."""

    reason: str


Answer = Hashed | Read | Refused | Lost


class Pool:
    """Hands photos to children and collects what they say. Used from one thread; times are monotonic seconds."""

    def __init__(self, build: BuildEngine, workers: int, timeout_s: float, load_timeout_s: float = 300.0) -> None:
        self._build = build
        self._workers = workers
        self._timeout_s = timeout_s  # for one photo
        self._load_timeout_s = load_timeout_s  # for an engine
        self._children: list[Worker] = []
        self._tickets = itertools.count(1)
        self._failures = 0  # loads that failed in a row
        self._next_start = 0.0
        self.fault: str | None = None  # why no engine could be loaded, while that is so

    def start(self) -> None:
        """Start the children; they load their engines on their own time."""
        while len(self._children) < self._workers:
            self._children.append(Worker.start(self._build))

    def waitables(self) -> list[Connection | int]:
        """What becomes ready when a child has something to say or ends."""
        return [w for child in self._children for w in (child.connection, child.process.sentinel)]

    def has_room(self) -> bool:
        """Whether some child would take another photo now."""
        return any(child.takes_more() for child in self._children)

    @property
    def ready(self) -> int:
        """How many children have their engine loaded."""
        return sum(child.loaded is not None for child in self._children)

    @property
    def devices(self) -> list[str]:
        """Where the loaded engines run."""
        return sorted({child.loaded.device for child in self._children if child.loaded is not None})

    @property
    def busy(self) -> int:
        """How many photos are in hand."""
        return sum(len(child.in_hand) for child in self._children)

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
            if self._is_overdue(child) or not child.process.is_alive():
                answers += self._listen(child)
                answers += self._bury(child)
        if len(self._children) < self._workers and time.monotonic() >= self._next_start:
            try:
                self.start()
            except OSError as error:
                self._note_failed_start(None, f"no process can be started: {error.strerror}")
        return answers

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
                    child.asks = True
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

    def _is_overdue(self, child: Worker) -> bool:
        """Whether the child has had its time for its oldest photo, or for loading; then it is killed."""
        if child.asks and child.fetching == child.oldest():
            return False  # it waits for us
        waited = time.monotonic() - child.since
        if not child.loaded and waited > self._load_timeout_s:
            child.verdict = f"the engine did not load within {self._load_timeout_s:g} s"
        elif child.loaded and child.in_hand and waited > self._timeout_s:
            child.verdict = f"no answer within {self._timeout_s:g} s"
        else:
            return False
        child.process.kill()
        child.process.join(END_S)
        return True

    def _bury(self, child: Worker) -> list[tuple[Job, Answer]]:
        """Take a dead child's photos back."""
        self._children.remove(child)
        exitcode = child.process.exitcode
        reason = child.verdict or f"its reading process {_ending(exitcode)}"
        child.connection.close()
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
