from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from bibwatch.read.ppocr.lines import Cut
from bibwatch.read.ppocr.networks import Steps
from bibwatch.read.ppocr.texts import CHARACTERS, CarefulReader

FORWARDS, BACKWARDS = ["", *CHARACTERS], ["", *reversed(CHARACTERS)]


class Told:
    """A recogniser whose lines are names, of each of which it says a text with a score."""

    def __init__(self, alphabet: list[str], **texts: tuple[str, float]) -> None:
        self.alphabet = alphabet
        self.asked: list[str] = []
        self._texts = texts

    def read(self, lines: Sequence[str], width: int, characters: np.ndarray) -> Steps:
        self.asked += lines
        steps = max(len(text) for text, _ in self._texts.values())
        best = np.zeros((len(lines), steps), int)
        probability = np.ones((len(lines), steps), np.float32)
        for row, line in enumerate(lines):
            text, score = self._texts[line]
            best[row, : len(text)] = [self.alphabet.index(character) for character in text]
            probability[row, : len(text)] = score
        told = probability[:, :, np.newaxis] * (best[:, :, np.newaxis] == characters)
        return Steps(best, probability, told)


def read(lines: Sequence[str], *recognisers: Told) -> list[str]:
    """The texts of lines, of which the likeliest spellings are the same."""
    networks: Any = SimpleNamespace(recognisers=recognisers, lines=2)
    corners = np.array(((0, 0), (100, 0), (100, 48), (0, 48)), np.float32)
    cuts = [Cut(corners, 1.0, 100 * (1 + place % 3), 48) for place in range(len(lines))]  # of three widths
    texts = CarefulReader(networks).read(lines, cuts)
    assert [text.spellings()[0].text for text in texts] == [text.text for text in texts]
    return [text.text for text in texts]


def test_one_recogniser_says_what_each_line_says() -> None:
    whole = Told(BACKWARDS, a=("24", 0.5), b=("RUN", 0.99), c=("", 1.0), d=("307", 1.0))
    assert read(["a", "b", "c", "d", "a"], whole) == ["24", "RUN", "", "307", "24"]


def test_doubtful_numbers_are_read_again_and_nothing_else() -> None:
    quick = Told(FORWARDS, a=("24", 0.99), b=("RUN", 0.6), c=("301", 0.97), d=("", 1.0), e=("1", 0.5))
    whole = Told(BACKWARDS, c=("307", 0.6), e=("I", 0.7))
    assert read(["a", "b", "c", "d", "e"], quick, whole) == ["24", "RUN", "307", "", "I"]
    assert sorted(whole.asked) == ["c", "e"]


def test_nothing_is_read_again_where_nothing_is_in_doubt() -> None:
    quick, whole = Told(FORWARDS, a=("24", 0.99)), Told(BACKWARDS, a=("0", 1.0))
    assert read(["a", "a"], quick, whole) == ["24", "24"]
    assert read([], quick, whole) == []
    assert whole.asked == []
