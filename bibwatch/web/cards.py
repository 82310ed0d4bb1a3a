"""What a picture with boxes drawn over it needs to be shown: plain values for the templates. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bibwatch.match.decide import Decided, Match
from bibwatch.values import Box, shown
from bibwatch.web.catalogue import Entry

Kind = Literal["bib", "maybe", "text"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in a photo, and what stands on it."""

    kind: Kind
    label: str
    score: float  # 0..1: the bib's probability, or the text's score
    box: Box  # pixels of the upright photo


@dataclass(frozen=True, slots=True)
class Card:
    """A photo as grids and pages show it."""

    photo_id: int
    name: str
    folder: str
    stamp: str  # another one for another version, so that browsers may keep its pictures
    width: int  # pixels of the upright photo
    height: int
    bibs: tuple[str, ...]
    maybes: tuple[Match, ...]
    marks: tuple[Mark, ...]

    @property
    def text_size(self) -> float:
        """Of labels on a small picture, in pixels of the photo."""
        return max(self.width, self.height) / 17

    @property
    def described(self) -> str:
        """What the photo shows, for those who cannot see it."""
        bibs = ", ".join(self.bibs) or "no bib"
        maybes = ", ".join(match.bib for match in self.maybes)
        return f"{self.name}: {bibs}" + (f"; perhaps {maybes}" if maybes else "")


def card(entry: Entry, one: Decided, *, all_texts: bool = False) -> Card:
    """A photo's card; with the boxes of texts that are no bibs too, if they are asked for."""
    photo = one.photo
    marks = [*_marks("bib", one.seen), *_marks("maybe", one.maybes)]
    if all_texts:
        known = {mark.box for mark in marks}
        others = (reading for reading in photo.readings if reading.box not in known)
        marks += [Mark("text", reading.text, reading.score, reading.box) for reading in others]
    return Card(
        entry.photo_id,
        shown(photo.path.name),
        shown(photo.path.parent),
        f"{entry.ended_at:.3f}",
        photo.width,
        photo.height,
        entry.bibs,
        one.maybes,
        tuple(marks),
    )


def _marks(kind: Kind, matches: Iterable[Match]) -> Iterator[Mark]:
    """One mark for each box: of several bibs that one reading may mean, the likeliest."""
    boxes = set[Box]()
    for match in sorted(matches, key=lambda match: -match.probability):
        if match.reading.box not in boxes:
            boxes.add(match.reading.box)
            yield Mark(kind, match.bib, match.probability, match.reading.box)
