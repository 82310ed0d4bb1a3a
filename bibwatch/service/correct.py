"""A person's word about a photo."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError, CouldNotStart, PhotoError
from bibwatch.match.decide import Rules, bibs_of
from bibwatch.read.photo_file import load
from bibwatch.service.desk import Desk
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Correction, Photo, shown

WAIT_S = 3.0  # for another bibwatch that is about to end
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of a person's word."""

    path: Path
    before: frozenset[str]
    after: frozenset[str]
    remarks: tuple[str, ...]  # what the person may not expect


Change = Callable[[Desk, Path], Corrected]


def correct(config: Config, change: Change, photo: Path) -> Corrected:
    """Store what a person says, by `say` or `undo`, and let the links follow: by the service that runs, or here.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: as the change raises it.
    """
    with closing(Store.open_existing(config.database)) as store:
        desk = Desk(config, store)
        done = change(desk, photo)
        return Corrected(done.path, done.before, done.after, (*done.remarks, *_relink(desk)))


def say(desk: Desk, photo: Path, words: Sequence[Correction]) -> Corrected:
    """Store what a person says about a photo; links follow later.

    Raises:
        BibwatchError: the photo is not known, or not read as it lies there.
    """
    return _change(desk, photo, lambda content: desk.store.corrections.add(content, words, time.time()))


def undo(desk: Desk, photo: Path) -> Corrected:
    """Forget the last thing that a person said about a photo; links follow later.

    Raises:
        BibwatchError: the photo is not known, or not read as it lies there, or nobody said anything.
    """

    def forget(content: bytes) -> None:
        if not desk.store.corrections.undo(content):
            raise BibwatchError(f"{shown(photo)}: nobody has said anything about it that could be undone")

    return _change(desk, photo, forget)


def _change(desk: Desk, photo: Path, change: Callable[[bytes], object]) -> Corrected:
    path, state, _ = desk.known(photo)
    content, before = desk.store.readings.content_of(path), desk.read(path)
    if before is None or content is None or not _lies_there(content, path, state):
        raise BibwatchError(f"{shown(path)}: not read yet as it lies there; `bibwatch why` tells more")
    change(content)
    after = desk.read(path) or before  # gone this moment: nothing more to tell
    bibs = bibs_of(after, desk.rules)
    return Corrected(path, bibs_of(before, desk.rules), bibs, tuple(_remarks(bibs, desk.rules)))


def _lies_there(content: bytes, path: Path, state: str) -> bool:
    """Whether a person who looks at the photo sees this content."""
    try:
        there = path.stat()
        return load(Photo(path, there.st_size, there.st_mtime_ns)).content == content
    except PhotoError:
        return False
    except OSError:
        return state == "done" and not path.parent.is_dir()  # its folder is away, and its links tell what was there


def _remarks(bibs: frozenset[str], wanted: Rules) -> Iterator[str]:
    entrants, targets = wanted.bibs.entrants, wanted.targets.bibs
    unlisted = () if entrants is None else sorted(bib for bib in bibs if bib.upper() not in entrants)
    if unlisted:
        yield f"not on the start list: {', '.join(unlisted)}"
    if targets is not None and (others := sorted(bibs - targets)):
        yield f"not among the targets, so not linked: {', '.join(others)}"


def _relink(desk: Desk) -> Iterator[str]:
    """Make the links follow, unless a service runs that does; what keeps them from it."""
    corrections, lock, until = desk.store.corrections, ServiceLock(desk.config.database), time.monotonic() + WAIT_S
    while True:
        try:
            lock.take()
            break
        except CouldNotStart:
            if not corrections.names_wait():
                return  # a service has taken them over
            if time.monotonic() > until:
                yield "its links follow once the bibwatch that runs gets to them; after a scan, by `bibwatch link`"
                return
            time.sleep(LOOK_S)
    try:
        applied = desk.linking.apply(corrections.take_names())
    finally:
        lock.release()
    yield from (f"{shown(path)}: {reason}" for path, reason in applied.troubles.items())
