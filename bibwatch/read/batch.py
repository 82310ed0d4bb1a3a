"""Read a list of photos without a database."""

from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

from bibwatch.errors import EngineUnavailable, PhotoError
from bibwatch.read.messages import Hashed, Read, Refused
from bibwatch.read.pool import Pool
from bibwatch.values import Job, Photo

Outcome = Read | PhotoError


def read_all(paths: Iterable[Path], pool: Pool) -> Iterator[tuple[Path, Outcome]]:
    """Each photo with what was read in it or why it could not be, in the order given; starts and stops the pool.

    Raises:
        EngineUnavailable: the engine does not load.
    """
    order = deque((path, _job(number, path)) for number, path in enumerate(paths))
    batch = _Batch(job for _, job in order if job is not None)
    try:
        pool.start()
        while order:
            path, job = order[0]
            if job is None or job in batch.outcomes:
                order.popleft()
                yield path, PhotoError("no such file") if job is None else batch.outcomes.pop(job)
                continue
            batch.hand_out(pool)
            wait(pool.waitables(), 0.25)
            batch.collect(pool)
            if pool.fault:
                raise EngineUnavailable(pool.fault)
    finally:
        pool.stop()


class _Batch:
    """The photos that wait for a child, and what came of the others."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting = deque(jobs)
        self._lost: set[Job] = set()  # their child died, perhaps through another photo's fault
        self.outcomes: dict[Job, Outcome] = {}

    def hand_out(self, pool: Pool) -> None:
        while self._waiting and pool.submit(self._waiting[0], last_look=True, alone=self._waiting[0] in self._lost):
            self._waiting.popleft()

    def collect(self, pool: Pool) -> None:
        for job, answer in pool.collect():
            if isinstance(answer, Hashed):
                pool.go(job)
            elif isinstance(answer, Read):
                self.outcomes[job] = answer
            elif isinstance(answer, Refused):
                self.outcomes[job] = answer.error
            elif job in self._lost:
                self.outcomes[job] = PhotoError(answer.reason)
            else:
                self._lost.add(job)
                self._waiting.appendleft(job)


def _job(number: int, path: Path) -> Job | None:
    """The turn of the file behind this path, which may be a link; None where there is none."""
    try:
        file = path.resolve(strict=True)
        status = file.stat()
    except OSError:
        return None
    return Job(number, 0, Photo(file, status.st_size, status.st_mtime_ns), attempts=1)
