import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bibwatch.read.dossard.reader import LOOKS, prepared, read_dossard
from tests import notebook

CROP = np.random.default_rng(1).random((31, 44, 3), dtype=np.float32)


class ScriptedReader:
    """Answers as EasyOCR would, and keeps the pictures it was shown."""

    def __init__(self, *answers: list[tuple[str, float]]) -> None:
        self._answers = iter(answers)
        self.shown: list[NDArray[np.uint8]] = []

    def readtext(self, picture: NDArray[np.uint8], detail: int = 1) -> Iterator[tuple[Any, str, float]]:
        self.shown.append(picture)
        return iter([([[0, 0], [1, 0], [1, 1], [0, 1]], text, score) for text, score in next(self._answers)])


@pytest.mark.parametrize(
    "crop", [CROP, CROP[:1, :1], CROP[:2, :40], np.full((8, 9, 3), 0.5, np.float32), np.zeros((5, 5, 3), np.float32)]
)
def test_every_look_shows_what_the_notebook_shows(shared: Path, crop: NDArray[np.float32]) -> None:
    read_box = notebook.functions(shared, "read_box", cv2=cv2, np=np, re=re)["read_box"]
    for look in LOOKS:
        theirs = ScriptedReader([])
        read_box.__globals__["reader"] = theirs
        read_box(crop, scale=look.scale, bn=look.binarise, sharpen=look.sharpen)
        np.testing.assert_array_equal(prepared(crop, look), theirs.shown[0])


def test_four_looks_are_merged() -> None:
    reader = ScriptedReader([("241", 0.3), ("RUN", 0.9)], [("2419", 0.8)], [("2419", 0.9), ("7", 0.6)], [])
    assert read_dossard(CROP, reader.readtext, None) == [
        {"ocr_text": "241", "ocr_score": 0.3},
        {"ocr_text": "2419", "ocr_score": 0.9},
        {"ocr_text": "7", "ocr_score": 0.6},
    ]
    assert len(reader.shown) == 4


def test_a_certain_number_spares_the_looks_after_it() -> None:
    reader = ScriptedReader([("241", 0.3)], [("2419", 0.95), ("99x", 0.99)])
    assert [number["ocr_text"] for number in read_dossard(CROP, reader.readtext, 0.9)] == ["241", "2419"]
    assert len(reader.shown) == 2


def test_letters_are_never_certain() -> None:
    reader = ScriptedReader([("99x", 0.99)], [], [], [])
    assert read_dossard(CROP, reader.readtext, 0.9) == []
    assert len(reader.shown) == 4


def test_an_empty_crop_is_not_looked_at() -> None:
    reader = ScriptedReader()
    assert read_dossard(CROP[:0], reader.readtext, None) == []
