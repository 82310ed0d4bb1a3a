import json
from pathlib import Path

import pytest

from bibwatch.match.distance import within


def test_every_recorded_case_of_the_notebook_matches_alike(shared: Path) -> None:
    cases = json.loads((shared / "golden" / "notebook.json").read_text())["match"]
    assert cases
    wrong = [case for case in cases if within(*case[:3]) is not case[3]]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "target", "max_distance", "expected"),
    [
        ("2419", "2419", 0, True),
        ("M2419.", "2419", 0, True),  # only the digits count
        ("0042", "42", 0, False),
        ("241", "2419", 0, False),
        ("241", "2419", 1, True),
        ("2418", "2419", 1, True),
        ("", "2419", 99, False),
        ("no digits", "2419", 99, False),
    ],
)
def test_distance_counts_digits(text: str, target: str, max_distance: float, expected: bool) -> None:
    assert within(text, target, max_distance) is expected
