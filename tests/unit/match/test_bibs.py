import random

import pytest

from bibwatch.match.bibs import _MARKED, NO_BIBS, Number, no_bib, numbers_in


def digits(text: str) -> list[str]:
    return [number.digits for number in numbers_in(text)]


@pytest.mark.parametrize(("text", "bib"), [("2419", "2419"), (" 7 ", "7"), ("0042", "0042"), ("99999", "99999")])
def test_digits_alone_may_be_a_bib_and_keep_their_zeros(text: str, bib: str) -> None:
    assert numbers_in(text) == (Number("", bib, "", alone=True),)


@pytest.mark.parametrize("text", ["", "FINISH", "123456", "٤٢", "TEAM413", "9TH", "B3RUNNERS"])
def test_a_text_of_words_or_of_too_many_digits_holds_none(text: str) -> None:
    assert numbers_in(text) == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("56D", Number("", "56", "D", alone=True)),
        ("a123", Number("A", "123", "", alone=True)),
        ("M90005", Number("M", "90005", "", alone=True)),
        ("21250-B", Number("", "21250", "B", alone=True)),
        ("30013m", Number("", "30013", "M", alone=True)),
    ],
)
def test_a_letter_against_the_digits_is_told_apart_from_them(text: str, number: Number) -> None:
    assert numbers_in(text) == (number,)


@pytest.mark.parametrize("text", ["2419.", "_2419", "|2419", "#2419", "'2419,"])
def test_marks_around_a_number_are_left_out(text: str) -> None:
    assert numbers_in(text) == (Number("", "2419", "", alone=True),)


def test_a_smudge_read_as_a_foreign_character_is_left_out() -> None:
    assert digits("30360元") == ["30360"]


@pytest.mark.parametrize(("text", "bib"), [("24O9", "2409"), ("2I9", "219"), ("O42", "042"), ("I23", "123")])
def test_letters_that_look_like_digits_are_digits_beside_them(text: str, bib: str) -> None:
    assert digits(text) == [bib]


def test_a_line_may_hold_several_numbers() -> None:
    assert numbers_in("2419 17") == (Number("", "2419", "", alone=True), Number("", "17", "", alone=True))


@pytest.mark.parametrize("text", ["10K-2419", "10km 2419", "5km/2419", "12:30 2419"])
def test_a_number_beside_a_distance_or_a_time_is_found_and_not_alone(text: str) -> None:
    assert numbers_in(text)[-1:] == (Number("", "2419", "", alone=False),)


def test_no_kind_of_text_without_a_bib_is_overlooked_for_want_of_a_mark() -> None:
    chance = random.Random(1)
    parts = [*"0123456789", *" .:,;/-+()€@·", *"kKmMsxAO", "km", "mi", "may", "sun", "www", "00 ", "12 "]
    texts = ["".join(chance.choices(parts, k=chance.randint(1, 12))) for _ in range(30_000)]
    kinds = {text: kind for text in texts if (kind := no_bib(text))}
    assert set(kinds.values()) == NO_BIBS.keys()
    assert [text for text in kinds if not _MARKED.search(text)] == []


@pytest.mark.parametrize("text", ["JUNE 14-15", "12-13 MAY", "5-10km", "4x100m"])
def test_half_of_what_is_no_bib_is_none(text: str) -> None:
    assert numbers_in(text) == ()


def test_a_letter_in_a_tile_of_its_own_leaves_the_number_alone() -> None:
    assert numbers_in("M 99191") == (Number("", "99191", "", alone=True),)


def test_a_number_among_words_is_not_alone() -> None:
    assert numbers_in("MARATHON 2022") == (Number("", "2022", "", alone=False),)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1:23:45", "a time, a date or a decimal"),
        ("34.17", "a time, a date or a decimal"),
        ("28/08/2022", "a time, a date or a decimal"),
        ("28 Aug 2022", "a day or a month"),
        ("Sunday, 28", "a day or a month"),
        ("Aug 28", "a day or a month"),
        ("€ 25", "a price"),
        ("25 $", "a price"),
        ("21KM", "a distance"),
        ("10 k", "a distance"),
        ("100 m", "a distance"),
        ("5 Miles", "a distance"),
        ("HDA-744-KJB", "a number plate"),
        ("+33 6 12 34 56 78", "a phone number"),
        ("01424200558", "a phone number"),
        ("www.race2024.org", "an address or a watermark"),
        ("© 2024", "an address or a watermark"),
    ],
)
def test_a_text_of_another_kind_holds_none(text: str, kind: str) -> None:
    assert no_bib(text) == kind
    assert not any(number.alone for number in numbers_in(text))


@pytest.mark.parametrize(
    ("text", "bibs"),
    [
        ("991M", ["991"]),
        ("56M", ["56"]),
        ("123K", ["123"]),
        ("2419:", ["2419"]),
        ("NO: 42", ["42"]),
        ("2419, 3071", ["2419", "3071"]),
        ("00123 00456", ["00123", "00456"]),
        ("2419 3071 1234 5678", ["2419", "3071", "1234", "5678"]),
        ("JAN 2419", ["2419"]),
        ("ANN 241 LEE", ["241"]),
        ("123 M", ["123"]),
        ("2419 21km", ["2419"]),
        ("3:25:14 2419", ["2419"]),
    ],
)
def test_what_only_resembles_another_kind_of_text_may_be_a_bib(text: str, bibs: list[str]) -> None:
    assert digits(text) == bibs


def test_a_bib_with_a_letter_after_many_digits_is_no_distance() -> None:
    assert digits("30024m") == ["30024"]
