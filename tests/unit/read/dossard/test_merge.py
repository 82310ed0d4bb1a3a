import json
import random
import re
from pathlib import Path

import pytest

from bibwatch.read.dossard.merge import Prediction, merge_predictions
from tests import notebook


def seen(*pairs: tuple[str, float]) -> list[Prediction]:
    return [{"ocr_text": text, "ocr_score": score} for text, score in pairs]


def test_every_recorded_case_of_the_notebook_merges_alike(shared: Path) -> None:
    cases = json.loads((shared / "golden" / "notebook.json").read_text())["merge"]
    assert cases
    for case in cases:
        merged = merge_predictions(case["predictions"], case["score_threshold"], case["max_digit_diff"])
        assert merged == case["expected"], case


def test_chance_predictions_merge_as_the_notebooks_own_function_does(shared: Path) -> None:
    theirs = notebook.functions(shared, "merge_predictions", re=re)["merge_predictions"]
    chance = random.Random(1)
    digits = ["1", "12", "13", "123", "124", "0123", "9", " 12 ", "1a", "٣", "²", "-5", "", "12\n"]
    for _ in range(3000):
        predictions = seen(*((chance.choice(digits), round(chance.random(), 2)) for _ in range(chance.randint(0, 9))))
        threshold, difference = chance.choice([0, 0.35, 0.5, 1]), chance.choice([0, 1, 2])
        assert merge_predictions(predictions, threshold, difference) == theirs(predictions, threshold, difference)


@pytest.mark.parametrize(
    ("predictions", "merged"),
    [
        ([], []),
        (seen(("2419", 0.4), ("2419", 0.9), ("2419", 0.9)), seen(("2419", 0.9))),
        (seen((" 7 ", 0.2)), seen(("7", 0.2))),
        (seen(("A7", 0.9), ("12:30", 0.9), ("x", 0.9)), []),
        (seen(("2419", 0.3), ("2418", 0.5)), seen(("2419", 0.3))),  # similar, and not above the threshold
        (seen(("2419", 0.3), ("2418", 0.51)), seen(("2419", 0.3), ("2418", 0.51))),
        (seen(("241", 0.9), ("2410", 0.4)), seen(("241", 0.9))),  # one digit longer is similar
        (seen(("2419", 0.9), ("419", 0.4)), seen(("2419", 0.9), ("419", 0.4))),  # but not one that begins elsewhere
    ],
)
def test_similar_numbers_give_way_to_the_first(predictions: list[Prediction], merged: list[Prediction]) -> None:
    assert merge_predictions(predictions) == merged
