"""The engine: networks that say where text is, then recognition of every line, cut at full size.

`fast` asks the spotter alone, at 1,024 pixels; `thorough` the large detector, at up to 2,048; `balanced` asks the
spotter, then has the large detector look at what is in doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from bibwatch.read.photo_file import size_of
from bibwatch.read.ppocr.doubt import Seen, Window, merged, whole_lines, windows
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT, SPOTTER_SIGHT, Cut, LineFinder, box_of, seen_size
from bibwatch.read.ppocr.networks import Networks, Pixels
from bibwatch.read.ppocr.spots import spots
from bibwatch.read.ppocr.texts import CarefulReader
from bibwatch.read.stages import Stages
from bibwatch.values import Box, Effort, Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Picture
    from bibwatch.read.ppocr.lines import Heat

LEAST_HEAT = 0.25  # of a spot that is read: a lower one finds more, and costs more to read
Size = tuple[int, int]  # height and width in pixels
Told = TypeVar("Told")


class _Photo(NamedTuple, Generic[Pixels]):
    """A photo, or a part of one, where the networks are."""

    pixels: Pixels
    size: Size


class PpocrEngine(Generic[Pixels]):
    """Reads photos with these networks, wherever they run."""

    def __init__(self, networks: Networks[Pixels], effort: Effort, name: str, lack: str | None = None) -> None:
        self.name = name
        self.device = networks.device
        self.lack = lack
        self.batch = networks.batch
        self.decodes = networks.decodes
        self.stages = Stages()
        self._networks = networks
        self._effort = effort
        self._finder = LineFinder()
        self._reader = CarefulReader(networks)

    def read(self, pictures: Sequence[Picture]) -> Iterator[tuple[Reading, ...]]:
        """Every text with a digit in each upright picture, in turn."""
        with self.stages.during("decode"):
            taken = self._networks.take(pictures)
        photos = [_Photo(pixels, size_of(picture)) for pixels, picture in zip(taken, pictures, strict=True)]
        if self._effort == "thorough":
            cuts = self._lined(photos, [seen_size(*photo.size, DETECTOR_SIGHT) for photo in photos])
        else:
            cuts = self._spotted(photos)
        seen = self._texts(photos, cuts)
        if self._effort == "balanced":
            seen = self._looked_twice(photos, seen)
        yield from (self._readings(of_photo, photo.size) for of_photo, photo in zip(seen, photos, strict=True))

    def _spotted(self, photos: Sequence[_Photo[Pixels]]) -> list[list[Cut]]:
        """Where the spotter sees numbers in each photo."""
        with self.stages.during("detect"):
            maps = _together(self._networks.spot, photos, [seen_size(*photo.size, SPOTTER_SIGHT) for photo in photos])
            return [spots(of_photo, *photo.size, LEAST_HEAT) for of_photo, photo in zip(maps, photos, strict=True)]

    def _lined(self, photos: Sequence[_Photo[Pixels]], at: Sequence[Size]) -> list[list[Cut]]:
        """Where the large detector sees lines in each photo, which it sees at these sizes."""
        with self.stages.during("detect"):
            heats: list[Heat] = _together(self._networks.detect, photos, at)
            return [self._finder.lines(heat, *photo.size) for heat, photo in zip(heats, photos, strict=True)]

    def _texts(self, photos: Sequence[_Photo[Pixels]], cuts: Sequence[Sequence[Cut]]) -> list[list[Seen]]:
        """What each line of each photo says."""
        with self.stages.during("crop"):
            pairs = zip(photos, cuts, strict=True)
            lines = [line for photo, some in pairs for line in self._networks.cut(photo.pixels, some)]
        with self.stages.during("recognise"):
            texts = iter(self._reader.read(lines, [cut for some in cuts for cut in some]))
            return [[Seen(cut, next(texts)) for cut in some] for some in cuts]

    def _looked_twice(self, photos: Sequence[_Photo[Pixels]], seen: Sequence[list[Seen]]) -> list[list[Seen]]:
        """The same with what the large detector finds where the spotter is in doubt."""
        asked: list[tuple[int, Window]] = []
        for place, (photo, of_photo) in enumerate(zip(photos, seen, strict=True)):
            wholly = Window(Box(0, 0, *photo.size[::-1]), seen_size(*photo.size, DETECTOR_SIGHT))
            looked_at = windows(of_photo, wholly, in_parts=self._networks.looks_at_parts)
            asked += ((place, window) for window in looked_at)
        parts = [_Photo(self._networks.part(photos[place].pixels, window.box), window.size) for place, window in asked]
        found = self._lined(parts, [window.seen for _, window in asked])
        again: list[list[Cut]] = [[] for _ in photos]
        for (place, window), cuts in zip(asked, found, strict=True):
            again[place] += whole_lines(cuts, window, photos[place].size)
        together = zip(seen, self._texts(photos, again), photos, strict=True)
        return [merged(first, second, photo.size) for first, second, photo in together]

    def _readings(self, seen: Sequence[Seen], size: Size) -> tuple[Reading, ...]:
        """The texts of one photo that hold a digit."""
        with self.stages.during("recognise"):
            return tuple(
                Reading(
                    text.text,
                    text.score,
                    box_of(cut, *size),
                    cut.detection_score,
                    self.name,
                    spellings=text.spellings(),
                )
                for cut, text in seen
                if text.has_digit
            )


def _together(
    ask: Callable[[Sequence[Pixels], int, int], Iterable[Told]], photos: Sequence[_Photo[Pixels]], at: Sequence[Size]
) -> list[Told]:
    """What a network tells of each photo; those that it sees at one size go through it together."""
    places: dict[Size, list[int]] = defaultdict(list)
    for place, size in enumerate(at):
        places[size].append(place)
    told: dict[int, Told] = {}
    for size, some in places.items():
        told.update(zip(some, ask([photos[place].pixels for place in some], *size), strict=True))
    return [told[place] for place in range(len(photos))]
