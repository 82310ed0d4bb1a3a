from itertools import product

import pytest

from bibwatch.read.spelling import Step, spellings, steps
from bibwatch.values import UNKNOWN, Spelling


def by_enumeration(line: list[Step], text: str) -> float:
    """The probability of a text by its definition: the sum over every way to go through the steps that writes it."""
    total = 0.0
    for path in product(*line):
        written, last = "", ""
        for character, _ in path:
            if character != last:
                written += character
            last = character
        if written == text:
            probability = 1.0
            for _, p in path:
                probability *= p
            total += probability
    return total


LINE: list[Step] = [
    [("5", 0.9), ("6", 0.1)],
    [("", 0.7), ("5", 0.3)],
    [("6", 0.6), ("5", 0.4)],
    [("D", 0.5), ("0", 0.3), ("", 0.2)],
]


def test_a_spelling_is_as_probable_as_all_ways_to_write_it_together() -> None:
    found = dict(spellings(LINE))
    assert len(found) > 8
    for text, probability in found.items():
        assert probability == pytest.approx(by_enumeration(LINE, text))


def test_the_likeliest_comes_first() -> None:
    found = spellings(LINE)
    assert found[0].text == "56D"
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)


def test_a_character_repeats_only_where_a_blank_parts_it() -> None:
    assert spellings([[("7", 1.0)], [("7", 1.0)]]) == (Spelling("7", 1.0),)
    assert spellings([[("7", 1.0)], [("", 1.0)], [("7", 1.0)]]) == (Spelling("77", 1.0),)


def test_blanks_around_a_text_do_not_make_it_another() -> None:
    assert spellings([[(" ", 0.5), ("", 0.5)], [("7", 1.0)]]) == (Spelling("7", 1.0),)


def test_the_likeliest_is_told_even_where_nothing_is_likely() -> None:
    blur: Step = [(digit, 0.1) for digit in "0123456789"]
    found = spellings([blur, [("", 1.0)]] * 4)
    assert len(found) == 1
    assert found[0].probability == pytest.approx(1e-4)


def test_an_empty_line_is_spelled_as_nothing() -> None:
    assert spellings([]) == (Spelling("", 1.0),)


def test_rows_become_steps_of_what_may_be_there() -> None:
    rows = [[0.999, 0.0005, 0.0005], [0.999, 0.0005, 0.0005], [0.1, 0.9, 0.0], [0.2, 0.0, 0.3]]
    assert list(steps(rows, "12")) == [
        [("", 0.999)],
        [("", 0.1), ("1", 0.9)],
        [("", 0.2), ("2", 0.3), (UNKNOWN, pytest.approx(0.5))],
    ]
