"""A person's word about a photo, and the whole story of one."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError, CouldNotStart, PhotoError
from bibwatch.match.bursts import Inferred
from bibwatch.match.decide import Rules, bibs_of
from bibwatch.read.photo_file import load
from bibwatch.service.learning import known_event
from bibwatch.service.linking import Linking
from bibwatch.service.setup import engine_name, rules
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Correction, Link, Photo, ReadPhoto, shown

WAIT_S = 3.0  # for another bibwatch that is about to end
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of a person's word."""

    path: Path
    before: frozenset[str]
    after: frozenset[str]
    remarks: tuple[str, ...]  # what the person may not expect


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a photo."""

    path: Path
    state: str  # of its job
    error: str | None
    photo: ReadPhoto | None  # None where it was never read
    rules: Rules
    links: tuple[Link, ...]  # that stand for it
    missing: tuple[Path, ...]  # entries that are wanted for it and not made
    inferred: Mapping[str, Inferred]  # bib -> the photo that speaks for it


def correct(config: Config, photo: Path, words: Sequence[Correction]) -> Corrected:
    """Store what a person says, and let the links follow: by the service that runs, or here and now.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: the photo is not known, or not read as it lies there.
    """
    return _change(config, photo, lambda store, content: store.corrections.add(content, words, time.time()))


def undo(config: Config, photo: Path) -> Corrected:
    """Forget the last thing that a person said about a photo, and let the links follow.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: the photo is not known, or not read as it lies there, or nobody said anything.
    """

    def forget(store: Store, content: bytes) -> None:
        if not store.corrections.undo(content):
            raise BibwatchError(f"{shown(photo)}: nobody has said anything about it that could be undone")

    return _change(config, photo, forget)


def story(config: Config, photo: Path) -> Story:
    """All that is known of a photo, which may be named by one of its links.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: the photo is not known.
    """
    with closing(Store.open_read_only(config.database)) as store:
        path, state, error = _known(store, photo)
        wanted = rules(config, known_event(store))
        links = tuple(link for link in store.links.owned([path.name]).values() if link.photo == path)
        linking, read = Linking(store, engine_name(config, store), config, wanted), _read(store, config, path)
        missing = tuple(link.path for link in linking.plan([path.name]).make if link.photo == path)
        inferred = linking.inferred(read) if read is not None else {}
        return Story(path, state, error, read, wanted, links, missing, inferred)


def _change(config: Config, photo: Path, change: Callable[[Store, bytes], object]) -> Corrected:
    with closing(Store.open_existing(config.database)) as store:
        path, state, _ = _known(store, photo)
        wanted = rules(config, known_event(store))
        content, before = store.readings.content_of(path), _read(store, config, path)
        if before is None or content is None or not _lies_there(content, path, state):
            raise BibwatchError(f"{shown(path)}: not read yet as it lies there; `bibwatch why` tells more")
        change(store, content)
        after = _read(store, config, path) or before  # gone this moment: nothing more to tell
        bibs = bibs_of(after, wanted)
        remarks = (*_remarks(bibs, wanted), *_relink(store, config, wanted))
        return Corrected(path, bibs_of(before, wanted), bibs, remarks)


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


def _relink(store: Store, config: Config, wanted: Rules) -> Iterator[str]:
    """Make the links follow, unless a service runs that does; what keeps them from it."""
    lock, until = ServiceLock(config.database), time.monotonic() + WAIT_S
    while True:
        try:
            lock.take()
            break
        except CouldNotStart:
            if not store.corrections.names_wait():
                return  # a service has taken them over
            if time.monotonic() > until:
                yield "its links follow once the bibwatch that runs gets to them; after a scan, by `bibwatch link`"
                return
            time.sleep(LOOK_S)
    try:
        names = store.corrections.take_names()
        applied = Linking(store, engine_name(config, store), config, wanted).apply(names)
    finally:
        lock.release()
    yield from (f"{shown(path)}: {reason}" for path, reason in applied.troubles.items())


def _known(store: Store, photo: Path) -> tuple[Path, str, str | None]:
    """The photo as it is known, by the path it is watched by or by a link of ours; its job's state and last error."""
    written = photo.absolute()
    places = [written]
    with suppress(OSError, RuntimeError):  # a circle of links
        places += [written.parent.resolve() / written.name, written.resolve()]
    places += [link.photo for path in tuple(places) if (link := store.links.get(path)) is not None]
    for path in dict.fromkeys(places):
        if (job := store.queue.state_of(path)) is not None:
            return path, *job
    raise BibwatchError(f"{shown(photo)}: not known; it must lie in a watched folder that `bibwatch run` or `scan` saw")


def _read(store: Store, config: Config, path: Path) -> ReadPhoto | None:
    photos = store.readings.read_photos(engine_name(config, store), [path.name])
    return next((photo for photo in photos if photo.path == path), None)
