"""What the service hands to the page, so that the page need not know how a race is set up."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bibwatch.match.decide import Decided
from bibwatch.store.store import Store
from bibwatch.values import Correction, Photo


class Desk(Protocol):
    """Where the page asks about the race, and says what people say; for one thread."""

    store: Store

    @property
    def has_bursts(self) -> bool:
        """Whether photos speak for each other."""

    def follow_event(self) -> bool:
        """Decide by what is known of the event now; whether the same readings mean other bibs since."""

    def decide(self, names: Iterable[str]) -> Iterator[Decided]:
        """What the photos with these file names show."""

    def spoken_for_by(self, names: Iterable[str]) -> set[str]:
        """The file names of photos that those with these names may speak for."""

    def why(self, photo: Path) -> dict[str, Any]:
        """The story of a photo, as `bibwatch why --json` tells it; raises BibwatchError where it is not known."""

    def status(self) -> dict[str, Any]:
        """How the service is, as `bibwatch status --json` tells it."""

    def folder_of(self, bib: str) -> Path | None:
        """The folder with the links of a bib; None where it is no target."""

    def say(self, photo: Path, words: Sequence[Correction]) -> None:
        """What `bibwatch correct` does; raises BibwatchError where that cannot be."""

    def undo(self, photo: Path) -> None:
        """What `bibwatch correct --undo` does; raises BibwatchError where there is nothing to undo."""

    def close(self) -> None:
        """Let go of the database."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """All that the page is made of and does not know itself; it travels to a process of its own."""

    listen: tuple[str, int]  # IP address and port
    token: str | None  # what people must know to see the page
    pictures: Path  # folder that the small pictures are kept in
    epoch: float  # seconds; the service's clock is this and the machine's monotonic one
    open_desk: Callable[[bool], Desk]  # for writing too, or for questions only
    load: Callable[[Photo], bytes]  # a photo's file; raises PhotoError and OSError
    shrink: Callable[[Photo, int], bytes]  # the same, upright, as a JPEG with a longest side of so many pixels
    targets: frozenset[str] | None  # bibs that get a folder; None: every one
    names: Mapping[str, str]  # bib -> name, of those who run; empty where nobody knows
