"""What the lines of photos say: what recognisers tell, made into texts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple

import numpy as np

from bibwatch.read.ppocr.lines import Cut, by_width
from bibwatch.read.ppocr.networks import Networks, Pixels, Recogniser, Steps
from bibwatch.read.spelling import spellings, steps
from bibwatch.values import Spelling

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.9  # of a text's score
QUITE_SURE = 0.98  # likewise, where a quick recogniser's word is taken for it
CHARACTERS = string.digits + string.ascii_letters + "-./:;,#_|+@©€$£¥· "  # told one by one in spellings of a line


class Text(NamedTuple):
    """What one line says."""

    text: str  # the likeliest
    score: float  # 0..1: the mean probability of its characters
    told: NDArray[np.float32]  # (T, 1 + characters): the probabilities at each step, the blank first

    @property
    def is_sure(self) -> bool:
        """Whether what the line says is hardly in doubt."""
        return self.score >= SURE

    @property
    def has_digit(self) -> bool:
        """Whether it may name a bib."""
        return any(character.isdigit() for character in self.text)

    def spellings(self) -> tuple[Spelling, ...]:
        """All texts that it may mean; takes a millisecond."""
        return spellings(steps(self.told.tolist(), CHARACTERS))


def places_told(alphabet: Sequence[str]) -> NDArray[np.intp]:
    """Where the blank, which comes first, and CHARACTERS stand in an alphabet."""
    return np.array([0, *map(alphabet.index, CHARACTERS)])


class LineReader(Generic[Pixels]):
    """Reads lines of photos with one recogniser, wherever that runs."""

    def __init__(self, recogniser: Recogniser[Pixels], most: int) -> None:
        self._recogniser = recogniser
        self._most = most  # lines at once
        self._characters = places_told(recogniser.alphabet)

    def read(self, lines: Sequence[Pixels], cuts: Sequence[Cut]) -> list[Text]:
        """What each line says, in turn; equally wide lines go through the recogniser together."""
        texts: dict[int, Text] = {}
        for width, places in by_width(cuts, self._most):
            together = self._recogniser.read([lines[place] for place in places], width, self._characters)
            texts.update((place, self._text(together, row)) for row, place in enumerate(places))
        return [texts[place] for place in range(len(lines))]

    def _text(self, together: Steps, row: int) -> Text:
        """The likeliest character at each step; one that goes on is one."""
        best, probability = together.best[row], together.probability[row]
        written = (best != 0) & np.append(True, best[1:] != best[:-1])
        text = "".join(self._recogniser.alphabet[place] for place in best[written])
        return Text(text, float(probability[written].mean()) if text else 0.0, together.told[row])


class CarefulReader(Generic[Pixels]):
    """Reads lines of photos with all recognisers that there are."""

    def __init__(self, networks: Networks[Pixels]) -> None:
        self._first, *self._others = (LineReader(one, networks.lines) for one in networks.recognisers)

    def read(self, lines: Sequence[Pixels], cuts: Sequence[Cut]) -> list[Text]:
        """What each line says, in turn: a quick recogniser's word where it is quite sure, or sees no number."""
        texts = self._first.read(lines, cuts)
        for reader in self._others:
            doubtful = [place for place, text in enumerate(texts) if text.has_digit and text.score < QUITE_SURE]
            again = reader.read([lines[place] for place in doubtful], [cuts[place] for place in doubtful])
            for place, text in zip(doubtful, again, strict=True):
                texts[place] = text
        return texts
