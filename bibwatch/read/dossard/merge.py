"""Merging what several passes read in one dossard, as the notebook does. Pure."""

import re
from collections.abc import Iterable
from typing import TypedDict

NUMBER = re.compile(r"\d+")


class Prediction(TypedDict, total=False):
    """A text as one look read it."""

    ocr_text: str
    ocr_score: float  # 0..1


def merge_predictions(
    predictions: Iterable[Prediction], score_threshold: float = 0.5, max_digit_diff: int = 1
) -> list[Prediction]:
    """The numbers among the predictions, each once with its best score, in the order they first came.

    A number similar to one that came earlier is left out, unless its own score is above `score_threshold`. What is
    not made of digits only does not count. This is the notebook's `merge_predictions`, its oddities included: the
    earlier of two similar numbers stays even where the later one scores better.
    """
    best: dict[str, Prediction] = {}
    for prediction in predictions:
        text = prediction.get("ocr_text", "").strip() if prediction else ""
        score = prediction.get("ocr_score", 0) if prediction else 0
        if NUMBER.fullmatch(text) and (text not in best or score > best[text]["ocr_score"]):
            best[text] = {"ocr_text": text, "ocr_score": score}
    distinct: list[str] = []
    kept = []
    for text, prediction in best.items():
        similar = any(_are_similar(text, other, max_digit_diff) for other in distinct)
        if not similar:
            distinct.append(text)
        if not similar or prediction["ocr_score"] > score_threshold:
            kept.append(prediction)
    return kept


def _are_similar(one: str, other: str, max_digit_diff: int) -> bool:
    """Whether at most so many digits differ place by place, counted from the left as far as both reach."""
    differing = sum(a != b for a, b in zip(one, other, strict=False))
    return abs(len(one) - len(other)) <= max_digit_diff and differing <= max_digit_diff
