"""Each photo's turn, from the queue through a child to its readings; the one place that says what an error costs."""

import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bibwatch.errors import PhotoChanged, PhotoOutOfReach, PhotoUnreadable
from bibwatch.log import fields
from bibwatch.read.messages import Hashed, Read, Refused
from bibwatch.read.pool import Answer, Lost, Pool
from bibwatch.service.tally import Tally
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Job, shown

RETRY_DELAYS_S = (2.0, 6.0, 20.0)  # after the first, second, and every later try
JITTER = 0.25  # share by which a delay is drawn out or cut short, so that photos that failed together spread
OUTAGE_TRIES = 30  # of a photo whose share does not answer: about half an hour
OUTAGE_DELAYS_S = (2.0, 6.0, 20.0, 60.0)
SETTLING_AGAIN_S = 30.0  # a photo that changed under us is queued anew by the watch room long before

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """The content that this photo is a copy of has been read."""

    content: bytes


@dataclass(frozen=True, slots=True)
class _Freed:
    """This photo's turn ended without its fault, and without an outcome."""


_News = Hashed | Refused | Lost | _Known | _Freed


class Turns:
    """Hands waiting photos to the pool and stores what comes back.

    What a child says is kept until it is stored: where the database fails, the same call made again goes on there.
    """

    def __init__(self, store: Store, pool: Pool, engine: str, attempts: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._pool = pool
        self._engine = engine
        self._attempts = attempts
        self._clock = clock  # seconds since the epoch, and never a jump
        self._read: list[tuple[Job, Read]] = []  # to be stored, all at once
        self._news: deque[tuple[Job, _News]] = deque()  # to be stored, oldest first
        self._held: list[Job] = []  # claimed, and waiting for children of their own
        self._reading: dict[Job, bytes] = {}  # the turn that reads a content
        self._followers: dict[bytes, list[Job]] = defaultdict(list)  # copies of a content that is being read
        self._outages: dict[tuple[int, int], int] = {}  # photo id and version -> tries that met a dead share
        self.tally = Tally()
        self.changed_names: set[str] = set()  # file names of photos whose links may have changed
        self.names_around: Callable[[str], set[str]] = lambda name: set()  # those that its old version may speak for
        self.moved_on: list[Job] = []  # photos that are no longer the version that was queued

    def hand_out(self) -> None:
        """Fill the children from the queue."""
        while room := self._pool.room:
            jobs = self._held or self._store.queue.claim(self._clock(), room)
            self._held = [job for job in jobs if not self._submit(job)]
            if self._held or not jobs:
                return

    def collect(self) -> None:
        """Take what the children say."""
        for job, answer in self._pool.collect():
            self._note(job, answer)
        self._take_news()

    def finish_begun(self, grace_s: float) -> None:
        """At the end: let photos in the engine finish, put all others back, and end the children."""
        try:
            self._take_news()  # what was kept while the database failed
            self._let_finish(time.monotonic() + grace_s)
        finally:
            self._news.extend((job, _Freed()) for job in (*self._pool.stop(), *self._held))
            self._held = []
        self._take_news()

    def _let_finish(self, deadline: float) -> None:
        while self._reading and time.monotonic() < deadline:
            for job, answer in self._pool.collect():
                if isinstance(answer, Hashed):
                    self._pool.drop(job)
                self._note(job, _Freed() if isinstance(answer, Hashed) else answer)
            self._take_news()
            time.sleep(0.02)

    def _submit(self, job: Job) -> bool:
        # A photo whose turn ended badly before is read alone, so that it can only cost itself.
        alone = job.attempts > 1 or self._attempts == 1
        return self._pool.submit(job, last_look=job.attempts >= self._attempts, alone=alone)

    def _note(self, job: Job, news: Answer | _Freed) -> None:
        if isinstance(news, Read):
            self._read.append((job, news))
        else:
            self._news.append((job, news))

    def _take_news(self) -> None:
        if self._read:
            self._finish()
        while self._news:
            self._take(*self._news[0])
            self._news.popleft()

    def _take(self, job: Job, news: _News) -> None:
        """Store what this means, and only then change what is known here."""
        match news:
            case Hashed(content=content):
                self._choose(job, content)
                return
            case _Known(content=content):
                self._reuse(job, content)
            case _Freed():
                self._put_back(job)
            case Refused(error=PhotoChanged()):
                self._put_back(job, in_s=SETTLING_AGAIN_S)
                self.moved_on.append(job)
            case Refused(error=PhotoUnreadable() as error):
                self._fail(job, str(error))
            case Refused(error=PhotoOutOfReach() as error):
                self._wait_out(job, str(error))
            case Refused(error=error):
                self._try_later(job, str(error))
            case Lost(reason=reason):
                self._try_later(job, reason)
        self._free_followers(job, _Freed())

    def _choose(self, job: Job, content: bytes) -> None:
        """Read a content once: known ones and copies of one that is being read need no inference."""
        if self._store.readings.has_read(content, self._engine):
            self._reuse(job, content)
            self._pool.drop(job)
        elif content in self._reading.values():
            self._pool.drop(job)
            self._followers[content].append(job)
        else:
            self._reading[job] = content
            self._pool.go(job)

    def _finish(self) -> None:
        """Store what was read, all at once, and only then change what is known here."""
        for job, _ in self._read:
            self.changed_names |= self.names_around(job.photo.path.name)
        with self.tally.stages.during("store"):
            self._store.readings.finish([(job, self._seen(job, read)) for job, read in self._read], self._clock())
        stored, self._read = self._read, []
        for job, read in stored:
            self._note_read(job, read)

    def _seen(self, job: Job, read: Read) -> Seen:
        content = self._reading[job]
        return Seen(content, self._engine, read.readings, read.width, read.height, read.seconds, read.shot)

    def _note_read(self, job: Job, read: Read) -> None:
        self.tally.read += 1
        self.tally.reading_s += read.seconds
        self.tally.stages.add(read.stages)
        self._end(job)
        texts = ", ".join(reading.text for reading in read.readings) or "no number"
        told = fields(job.photo.path, [reading.text for reading in read.readings])
        log.info("%s: %s (%.1f s)", shown(job.photo.path), shown(texts), read.seconds, extra=told)
        self._free_followers(job, _Known(self._reading[job]))

    def _reuse(self, job: Job, content: bytes) -> None:
        self.changed_names |= self.names_around(job.photo.path.name)
        self._store.readings.finish_known(job, content, self._clock())
        self.tally.reused += 1
        self._end(job)
        log.info("%s: known content, not read again", shown(job.photo.path), extra=fields(job.photo.path))

    def _wait_out(self, job: Job, reason: str) -> None:
        """An outage says nothing about the photo: it costs no attempt, but does not go on for ever."""
        turn = (job.photo_id, job.version)
        tries = self._outages.get(turn, 0) + 1
        if tries >= OUTAGE_TRIES:
            self._fail(job, f"{reason}; given up after {OUTAGE_TRIES} tries")
            return
        delay = _delay(OUTAGE_DELAYS_S, tries)
        self._put_back(job, in_s=delay)
        self._outages[turn] = tries
        self._tell_next_try(job, reason, delay)

    def _try_later(self, job: Job, reason: str) -> None:
        if job.attempts >= self._attempts:
            self._fail(job, f"{reason}; given up after {job.attempts} tries")
            return
        delay = _delay(RETRY_DELAYS_S, job.attempts)
        self._store.queue.wait_again(job, self._clock() + delay, error=reason)
        self._tell_next_try(job, reason, delay)

    def _tell_next_try(self, job: Job, reason: str, delay: float) -> None:
        path = job.photo.path
        log.warning("%s: %s; next try in %.0f s", shown(path), reason, delay, extra=fields(path))

    def _fail(self, job: Job, reason: str) -> None:
        self.changed_names |= self.names_around(job.photo.path.name)
        if not self._store.queue.fail(job, reason, self._clock()):
            return  # the photo has a new version, or its content turned out to be known
        self.tally.failed += 1
        self.tally.last_error = f"{shown(job.photo.path)}: {reason}"
        self._end(job)
        log.error("%s: failed: %s", shown(job.photo.path), reason, extra=fields(job.photo.path))

    def _put_back(self, job: Job, in_s: float = 0.0) -> None:
        self._store.queue.wait_again(job, self._clock() + in_s, refund=True)

    def _end(self, job: Job) -> None:
        self._outages.pop((job.photo_id, job.version), None)
        self.tally.recent.append(time.monotonic())
        self.changed_names.add(job.photo.path.name)

    def _free_followers(self, job: Job, news: _Known | _Freed) -> None:
        content = self._reading.pop(job, None)
        followers = self._followers.pop(content, []) if content is not None else []
        self._news.extend((follower, news) for follower in followers)


def _delay(delays: Sequence[float], tries: int) -> float:
    """Seconds until the next try, after so many."""
    return delays[min(tries, len(delays)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)
