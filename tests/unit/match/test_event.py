from bibwatch.match.bibs import Number, numbers_in
from bibwatch.match.event import USUAL_LENGTHS, Event, SeenText, learn


def seen(*texts: str, score: float = 0.99) -> list[SeenText]:
    """Each text in a photo of its own."""
    return [SeenText(number, text, score, 0.8) for number, text in enumerate(texts)]


def number(text: str) -> Number:
    [only] = numbers_in(text)
    return only


def test_nothing_read_teaches_nothing() -> None:
    event = learn([], 0)
    assert event == Event()
    assert event.name_of(number("2419")) == "2419"
    assert event.name_of(number("M2419")) == "2419"


def test_the_usual_lengths_are_those_of_the_bibs_read() -> None:
    event = learn(seen(*(f"{n}" for n in range(20000, 20060)), "17"), 61)
    assert event.share_of(number("90005")) > 0.9
    assert event.share_of(number("17")) < 0.05
    assert event.bibs == 61


def test_readings_that_are_not_sure_teach_no_length() -> None:
    assert learn(seen("123", "124", "125", score=0.5), 3).lengths == USUAL_LENGTHS


def test_a_letter_that_most_bibs_have_belongs_to_them() -> None:
    event = learn(seen("56A", "56B", "56C", "21D", "43A", "66B", "32C", "7"), 8)
    assert event.letter == "after"
    assert event.name_of(number("67D")) == "67D"
    assert event.share_of(number("670")) < 0.05  # at most a maybe
    assert event.share_of(number("67D")) > event.share_of(number("67G"))


def test_letters_misread_as_digits_do_not_hide_that_all_bibs_have_one() -> None:
    event = learn(seen("56A", "56B", "32C", "21D", "43A", "670", "438", "420", "768", "560", "7"), 11)
    assert (event.letter, event.bare) == ("after", False)


def test_a_letter_that_tells_bibs_apart_belongs_to_those_that_have_it() -> None:
    event = learn(seen("56A", "56B", "56C", "21A", "21D", *(str(n) for n in range(2400, 2420))), 25)
    assert event.name_of(number("56D")) == "56D"
    assert event.name_of(number("2419")) == "2419"
    assert "perhaps a letter after them" in event.summary


def test_a_letter_before_may_belong_to_bibs_too() -> None:
    event = learn(seen("A123", "A124", "B17", "B18", "C19"), 5)
    assert event.name_of(number("a7")) == "A7"
    assert event.name_of(number("7A")) == "7"


def test_a_letter_that_few_bibs_have_is_a_mark_beside_them() -> None:
    event = learn(seen("M90005", "F90048", "M90038", "90000", "91228", "93616", "27517"), 7)
    assert event.letter is None
    assert event.name_of(number("M90005")) == "90005"


def test_letters_of_men_and_women_do_not_belong_to_bibs_though_all_have_one() -> None:
    assert learn(seen(*(f"M{n}" for n in range(9000, 9006)), *(f"F{n}" for n in range(8000, 8006))), 12).letter is None


def test_misread_letters_of_men_and_women_do_not_make_them_belong_to_bibs() -> None:
    men, women = (f"M{n}" for n in range(9000, 9100)), (f"F{n}" for n in range(8000, 8080))
    misread = ["N9001", "N9002", "E8001", "P8002", "E8003", "E8004"]
    assert learn(seen(*men, *women, *misread), 186).letter is None


def test_letters_misread_once_for_each_bib_tell_none_apart() -> None:
    bibs = [f"M{n}" for n in range(9000, 9010)] + [f"F{n}" for n in range(8000, 8010)]
    misread = [bib.translate(str.maketrans("MF", "NE")) for bib in bibs]
    assert learn(seen(*bibs * 25, *misread), 520).letter is None


def test_a_letter_of_few_runners_is_none_that_was_misread() -> None:
    waves = (f"{'A' if n < 180 else 'B' if n < 195 else 'C'}{n}" for n in range(100, 200))
    assert learn(seen(*waves), 100).letter == "before"


def test_runners_of_a_relay_are_told_apart_though_one_is_seen_far_less() -> None:
    first, second = [f"{n}A" for n in range(100, 160)], [f"{n}B" for n in range(100, 160)]
    assert learn(seen(*first * 10, *second), 660).tells_apart


def test_letters_on_few_numbers_are_marks_though_one_of_those_is_cut_off() -> None:
    bare = (str(n) for n in range(20100, 20160))
    event = learn(seen("M90089", "M90038", "F90048", "E0238", "U22", "M91228", *bare), 66)
    assert event.letter is None
    assert event.share_of(number("20486")) > 0.9


def test_a_handful_of_letters_teaches_nothing() -> None:
    assert learn(seen("56A", "56B", "56C"), 3).letter is None


def test_a_number_like_a_year_in_many_photos_is_the_year() -> None:
    event = learn(seen("2025", "2025", "2025", "MARATHON 2024", "2019"), 50)
    assert event.years == {"2025"}
    assert event.bibs == 0  # and no year tells how long bibs are


def test_a_number_like_a_year_that_fewer_photos_show_than_one_in_fifty_may_be_a_bib() -> None:
    bibs = [str(n) for n in range(3000, 3200)]
    assert learn(seen("2025", "2025", "2025", *bibs[:147]), 150).years == {"2025"}
    assert learn(seen("2025", "2025", "2025", *bibs[:197]), 200).years == frozenset()


def test_a_year_counts_once_a_photo() -> None:
    twice = [SeenText(1, "2025", 0.9, 0.9), SeenText(1, "2025", 0.9, 0.9), SeenText(2, "2025", 0.9, 0.9)]
    assert learn(twice, 10).years == frozenset()


def test_where_many_different_numbers_read_like_years_they_are_bibs() -> None:
    event = learn(seen(*(str(n) for n in range(1900, 2100))), 200)
    assert event.reaches_years
    assert event.years == frozenset()
    often = learn(seen(*(str(n) for n in range(1990, 2020)), *["2015"] * 3), 33)
    assert often.years == frozenset()
    assert not learn(seen("2023", "2024", "2025"), 200).reaches_years


def test_a_form_read_surely_counts_though_it_was_first_read_badly() -> None:
    twice = [
        SeenText(n, text, score, 0.9) for n in range(6) for text, score in (("56", 0.5), (f"56{'ABC'[n % 3]}", 0.99))
    ]
    assert learn(twice, 6).letter == "after"


def test_a_number_on_very_many_photos_is_told_to_a_person_and_still_a_bib() -> None:
    event = learn(seen(*["100"] * 30, *(str(n) for n in range(3000, 3070))), 100)
    assert event.suspects == {"100"}
    assert event.name_of(number("100")) == "100"


def test_one_photo_more_changes_nothing_that_decides() -> None:
    bibs = [str(n) for n in range(3000, 3400)]
    before, after = learn(seen(*bibs), 400), learn(seen(*bibs, "3400"), 401)
    assert before != after
    assert before.decides_like(after)
    assert not before.decides_like(learn(seen(*bibs, *["123"] * 100), 500))


def test_an_event_is_the_same_after_it_was_stored() -> None:
    event = learn(seen("56A", "56B", "56C", "21D", "43A", *["2025"] * 3), 8)
    assert Event.from_json(event.as_json()) == event


def test_people_are_told_what_was_learned() -> None:
    event = learn(seen("56A", "56B", "56C", "21D", "43A", "66B", *["2025"] * 3), 9)
    assert event.summary == (
        "2 or 3 or 4 or 5 digits and a letter after them (A, B, C, D), from 6 numbers read; no bibs but years: 2025"
    )
    assert "nothing learned yet" in Event().summary
