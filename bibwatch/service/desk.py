"""Where people ask about a race: which photos show a bib, and all that is known of one; decided as the links are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError
from bibwatch.match.bibs import is_number
from bibwatch.match.bursts import Inferred
from bibwatch.match.decide import Decided, Rules, decided, maybes_of, wanted_bibs
from bibwatch.service.learning import known_event
from bibwatch.service.linking import Linking
from bibwatch.service.setup import Watching, asked_bibs, engine_name, rules
from bibwatch.store.store import Store
from bibwatch.values import Link, ReadPhoto, Targets, shown


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


@dataclass(frozen=True, slots=True)
class DecidedBy:
    """What a service that runs decides by, which may be an older start list than lies there."""

    engine: str  # fingerprint
    rules: Rules


class Desk:
    """Answers from one open database, for one thread; follows what is learned of the event meanwhile."""

    def __init__(self, config: Config, store: Store, by: DecidedBy | None = None) -> None:
        self.config = config
        self.store = store
        self._watching = Watching.of(config)
        self._engine = by.engine if by else engine_name(config, store)
        self._decide_by(by.rules if by else rules(config, known_event(store)))

    def _decide_by(self, wanted: Rules) -> None:
        self.rules = wanted
        self.linking = Linking(self.store, self._engine, self.config, wanted)

    def follow_event(self) -> bool:
        """Decide by what is known of the event now; whether the same readings mean other bibs since."""
        event, before = known_event(self.store), self.rules.bibs.event
        if event != before:
            self._decide_by(replace(self.rules, bibs=replace(self.rules.bibs, event=event)))
        return not event.decides_like(before)

    def find(self, bib: str, max_distance: float | None = None, *, maybe: bool = False) -> list[Path]:
        """The photos that show this bib, or only may show it, by path; `max_distance` is the config's unless given.

        A bib of more than digits counts as asked for, as a target is.
        """
        known = self.rules
        name = known.bibs.asked.get(bib.upper(), bib.upper())
        asked = {} if is_number(bib) else asked_bibs([name])
        wider = replace(known.bibs, asked={**known.bibs.asked, **asked})
        near = known.max_distance if max_distance is None else max_distance
        wish = replace(known, targets=Targets(frozenset({name})), max_distance=near, bibs=wider)
        linking = Linking(self.store, self._engine, self.config, wish)
        photos = self.store.readings.read_photos(self._engine, linking.names_about([name]))
        shows = _may_show if maybe else wanted_bibs
        return sorted(photo.path for photo in photos if name in shows(photo, wish, linking.inferred(photo)))

    def decide(self, names: Iterable[str]) -> Iterator[Decided]:
        """What the photos with these file names show."""
        for photo in self.store.readings.read_photos(self._engine, names):
            if self._watching.covers(photo.path):
                yield decided(photo, self.rules, self.linking.inferred(photo))

    def read(self, path: Path) -> ReadPhoto | None:
        """What was read in a photo; None where nothing was yet."""
        photos = self.store.readings.read_photos(self._engine, [path.name])
        return next((photo for photo in photos if photo.path == path), None)

    def known(self, photo: Path) -> tuple[Path, str, str | None]:
        """A photo by the path it is watched by, given that or a link of ours; its job's state and last error.

        Raises:
            BibwatchError: the photo is not known.
        """
        written = photo.absolute()
        places = [written]
        with suppress(OSError, RuntimeError):  # a circle of links
            places += [written.parent.resolve() / written.name, written.resolve()]
        places += [link.photo for path in tuple(places) if (link := self.store.links.get(path)) is not None]
        for path in dict.fromkeys(places):
            if (job := self.store.queue.state_of(path)) is not None:
                return path, *job
        raise BibwatchError(
            f"{shown(photo)}: not known; it must lie in a watched folder that `bibwatch run` or `scan` saw"
        )

    def story(self, photo: Path) -> Story:
        """All that is known of a photo, which may be named by one of its links.

        Raises:
            BibwatchError: the photo is not known.
        """
        path, state, error = self.known(photo)
        links = tuple(link for link in self.store.links.owned([path.name]).values() if link.photo == path)
        read = self.read(path)
        missing = tuple(link.path for link in self.linking.plan([path.name]).make if link.photo == path)
        inferred = self.linking.inferred(read) if read is not None else {}
        return Story(path, state, error, read, self.rules, links, missing, inferred)


@contextmanager
def open_desk(config: Config) -> Iterator[Desk]:
    """A desk over the config's database, for questions only.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        DatabaseUnreadable: permissions, damage or an older form keep it from being read.
    """
    with closing(Store.open_read_only(config.database)) as store:
        yield Desk(config, store)


def _may_show(photo: ReadPhoto, wish: Rules, inferred: Iterable[str]) -> frozenset[str]:
    return frozenset(maybes_of(photo, wish)) - frozenset(inferred)
