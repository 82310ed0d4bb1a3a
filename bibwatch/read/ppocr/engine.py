"""The engine: detection on the photo at a size that suits it, then recognition of every text line, cut at full size."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic

import numpy as np

from bibwatch.read.photo_file import size_of
from bibwatch.read.ppocr.lines import SIGHTS, Cut, LineFinder, box_of, by_width, seen_size
from bibwatch.read.ppocr.networks import Networks, Pixels, Steps
from bibwatch.read.spelling import spellings, steps
from bibwatch.read.stages import Stages
from bibwatch.values import Effort, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Picture
    from bibwatch.read.ppocr.lines import Heat

CHARACTERS = string.digits + string.ascii_letters + "-./:;,#_|+@©€$£¥· "  # told one by one in spellings of a line
Size = tuple[int, int]  # height and width in pixels


class PpocrEngine(Generic[Pixels]):
    """Reads photos with two networks, wherever these run."""

    def __init__(self, networks: Networks[Pixels], effort: Effort, name: str, lack: str | None = None) -> None:
        self.name = name
        self.device = networks.device
        self.lack = lack
        self.batch = networks.batch
        self.decodes = networks.decodes
        self.stages = Stages()
        self._networks = networks
        self._sight = SIGHTS[effort]
        self._finder = LineFinder()
        self._characters = np.array([0, *map(networks.alphabet.index, CHARACTERS)])  # the blank comes first

    def read(self, pictures: Sequence[Picture]) -> Iterator[tuple[Reading, ...]]:
        """Every text with a digit in each upright picture, in turn."""
        sizes = [size_of(picture) for picture in pictures]
        with self.stages.during("decode"):
            taken = self._networks.take(pictures)
        with self.stages.during("detect"):
            heats = self._heats(taken, sizes)
        with self.stages.during("crop"):
            cuts = [self._finder.lines(heat, *size) for heat, size in zip(heats, sizes, strict=True)]
            lines = [line for photo, some in zip(taken, cuts, strict=True) for line in self._networks.cut(photo, some)]
        with self.stages.during("recognise"):
            said = self._said(lines, [cut for of_photo in cuts for cut in of_photo])
            readings = [self._readings(some, said, size) for some, size in zip(cuts, sizes, strict=True)]
        yield from readings

    def _heats(self, pictures: Sequence[Pixels], sizes: Sequence[Size]) -> list[Heat]:
        """The heat map of each picture; those that are seen at one size go through the detector together."""
        places: dict[Size, list[int]] = defaultdict(list)
        for place, size in enumerate(sizes):
            places[seen_size(*size, self._sight)].append(place)
        heats: dict[int, Heat] = {}
        for seen, some in places.items():
            heats.update(zip(some, self._networks.detect([pictures[place] for place in some], *seen), strict=True))
        return [heats[place] for place in range(len(pictures))]

    def _said(self, lines: Sequence[Pixels], cuts: Sequence[Cut]) -> Iterator[tuple[Steps, int]]:
        """What the recogniser says of each line, in turn, and in which row; equally wide lines go through together."""
        said: dict[int, tuple[Steps, int]] = {}
        for width, places in by_width(cuts, self._networks.lines):
            together = self._networks.recognise([lines[place] for place in places], width, self._characters)
            said.update((place, (together, row)) for row, place in enumerate(places))
        return (said[place] for place in range(len(lines)))

    def _readings(self, cuts: Sequence[Cut], said: Iterator[tuple[Steps, int]], size: Size) -> tuple[Reading, ...]:
        """The lines of one photo that hold a digit."""
        readings = []
        for cut, (steps_of_some, row) in zip(cuts, said, strict=False):
            text, score = self._text(steps_of_some.best[row], steps_of_some.probability[row])
            if any(character.isdigit() for character in text):
                spelled = spellings(steps(steps_of_some.told[row].tolist(), CHARACTERS))
                box = box_of(cut, *size)
                readings.append(Reading(text, score, box, cut.detection_score, self.name, spellings=spelled))
        return tuple(readings)

    def _text(self, best: NDArray[np.intp], probability: NDArray[np.float32]) -> tuple[str, float]:
        """The likeliest character at each step, and the mean of their probabilities; one that goes on is one."""
        written = (best != 0) & np.append(True, best[1:] != best[:-1])
        text = "".join(self._networks.alphabet[place] for place in best[written])
        return text, float(probability[written].mean()) if text else 0.0
