"""Read a list of photos without a database."""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from bibwatch.errors import EngineUnavailable, PhotoError
from bibwatch.read import engine
from bibwatch.read.child import Hashed, Read, Refused
from bibwatch.read.engine import EngineSetup
from bibwatch.read.pool import Pool
from bibwatch.values import Job, Photo

Outcome = Read | PhotoError


def read_all(
    paths: Iterable[Path], setup: EngineSetup, workers: int, timeout_s: float
) -> Iterator[tuple[Path, Outcome]]:
    """Each photo with what was read in it or why it could not be, in the order given.

    Raises:
        EngineUnavailable: the engine does not load.
    """
    order = deque((path, _job(number, path)) for number, path in enumerate(paths))
    waiting = deque(job for _, job in order if job is not None)
    outcomes: dict[Job | None, Outcome] = {None: PhotoError("no such file")}
    pool = Pool(partial(engine.build, setup), min(workers, max(1, len(waiting))), timeout_s)
    pool.start()
    try:
        while order:
            while order and order[0][1] in outcomes:
                path, job = order.popleft()
                yield path, outcomes[job] if job is None else outcomes.pop(job)
            while waiting and pool.submit(waiting[0], last_look=True, alone=False):
                waiting.popleft()
            wait(pool.waitables(), 0.25 if order else 0)
            outcomes.update(_collect(pool))
            if pool.fault:
                raise EngineUnavailable(pool.fault)
    finally:
        pool.stop()


def _job(number: int, path: Path) -> Job | None:
    """The turn of the file behind this path, which may be a link; None where there is none."""
    try:
        file = path.resolve(strict=True)
        status = file.stat()
    except OSError:
        return None
    return Job(number, 0, Photo(file, status.st_size, status.st_mtime_ns), attempts=1)


def _collect(pool: Pool) -> Iterator[tuple[Job, Outcome]]:
    for job, answer in pool.collect():
        if isinstance(answer, Hashed):
            pool.go(job)
        elif isinstance(answer, Read):
            yield job, answer
        else:
            yield job, answer.error if isinstance(answer, Refused) else PhotoError(answer.reason)
