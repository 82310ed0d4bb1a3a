"""Four looks at one dossard, each read by EasyOCR, merged into its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bibwatch.read.dossard.merge import Prediction, merge_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

# EasyOCR's Reader.readtext: an (H, W) uint8 picture in, (corners, text, score 0..1) for each text out.
ReadText = Callable[["NDArray[np.uint8]"], Iterable[tuple[Any, str, float]]]


@dataclass(frozen=True, slots=True)
class Look:
    """One way to prepare the crop of a dossard."""

    scale: int  # how many times it is enlarged
    sharpen: bool = False
    binarise: bool = False


LOOKS = (Look(3), Look(6), Look(6, sharpen=True), Look(6, binarise=True))  # the notebook's four passes


def read_dossard(crop: NDArray[np.float32], read_text: ReadText, certain_score: float | None) -> list[Prediction]:
    """The numbers on a dossard, from an (H, W, 3) float32 RGB crop, 0..1; none for an empty crop.

    With `certain_score`, a number read with that score or a better one spares the looks after it; without, all four
    are taken, as the notebook does.
    """
    merged: list[Prediction] = []
    if crop.size == 0:
        return merged
    predictions: list[Prediction] = []
    for look in LOOKS:
        texts = read_text(prepared(crop, look))
        predictions += [{"ocr_text": text, "ocr_score": float(score)} for _, text, score in texts]
        merged = merge_predictions(predictions)
        if certain_score is not None and any(number["ocr_score"] >= certain_score for number in merged):
            break
    return merged


def prepared(crop: NDArray[np.float32], look: Look) -> NDArray[np.uint8]:
    """The crop as EasyOCR gets it: (H, W) uint8, enlarged, its contrast stretched, then as the look says.

    The numbers are the notebook's.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    size = (grey.shape[1] * look.scale, grey.shape[0] * look.scale)
    large = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
    picture = cv2.normalize(large, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
    if look.sharpen:
        blurred = cv2.GaussianBlur(picture, (21, 21), sigmaX=2)
        picture = cv2.addWeighted(picture, 7.5, blurred, -6.5, 0)
    if look.binarise:
        picture = cv2.adaptiveThreshold(
            picture, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, blockSize=51, C=5
        )
    return picture  # type: ignore[no-any-return]
