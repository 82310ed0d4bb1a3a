"""What the lines of photos say: the recogniser's output, made into texts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple

import numpy as np

from bibwatch.read.ppocr.lines import Cut, by_width
from bibwatch.read.ppocr.networks import Networks, Pixels, Steps
from bibwatch.read.spelling import spellings, steps
from bibwatch.values import Spelling

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHARACTERS = string.digits + string.ascii_letters + "-./:;,#_|+@©€$£¥· "  # told one by one in spellings of a line


class Text(NamedTuple):
    """What one line says."""

    text: str  # the likeliest
    score: float  # 0..1: the mean probability of its characters
    told: NDArray[np.float32]  # (T, 1 + characters): the probabilities at each step, the blank first

    @property
    def has_digit(self) -> bool:
        """Whether it may name a bib."""
        return any(character.isdigit() for character in self.text)

    def spellings(self) -> tuple[Spelling, ...]:
        """All texts that it may mean; takes a millisecond."""
        return spellings(steps(self.told.tolist(), CHARACTERS))


class LineReader(Generic[Pixels]):
    """Reads lines of photos with the recogniser, wherever that runs."""

    def __init__(self, networks: Networks[Pixels]) -> None:
        self._networks = networks
        self._characters = np.array([0, *map(networks.alphabet.index, CHARACTERS)])  # the blank comes first

    def read(self, lines: Sequence[Pixels], cuts: Sequence[Cut]) -> list[Text]:
        """What each line says, in turn; equally wide lines go through the recogniser together."""
        texts: dict[int, Text] = {}
        for width, places in by_width(cuts, self._networks.lines):
            together = self._networks.recognise([lines[place] for place in places], width, self._characters)
            texts.update((place, self._text(together, row)) for row, place in enumerate(places))
        return [texts[place] for place in range(len(lines))]

    def _text(self, together: Steps, row: int) -> Text:
        """The likeliest character at each step; one that goes on is one."""
        best, probability = together.best[row], together.probability[row]
        written = (best != 0) & np.append(True, best[1:] != best[:-1])
        text = "".join(self._networks.alphabet[place] for place in best[written])
        return Text(text, float(probability[written].mean()) if text else 0.0, together.told[row])
