import re
from dataclasses import replace
from typing import Any

import pytest

from bibwatch.match.decide import MAYBE
from bibwatch.match.event import Event
from bibwatch.match.evidence import WEIGHTS, Evidence, probability
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import StartList, start_list
from bibwatch.match.weigh import candidates
from bibwatch.values import Box, Reading, Spelling

EVENT = Event(bibs=100, lengths={1: 0.01, 2: 0.01, 3: 0.2, 4: 0.8, 5: 0.01})
RULES = BibRules(EVENT)


def reading(*spelled: tuple[str, float], detection_score: float = 0.8) -> Reading:
    text, score = spelled[0]
    return Reading(
        text, score, Box(0, 0, 9, 9), detection_score, "test", spellings=tuple(Spelling(*s) for s in spelled)
    )


def odds_of(bib: str, of: Reading, rules: BibRules = RULES) -> float:
    """The probability that the reading means this bib."""
    return {candidate.bib: candidate.probability for candidate in candidates(of, rules)}.get(bib, 0.0)


def test_a_number_read_well_in_the_usual_form_is_a_bib() -> None:
    assert odds_of("2419", reading(("2419", 0.99))) > 0.95


@pytest.mark.parametrize(
    "worse",
    [
        reading(("2419", 0.2)),  # the recogniser is unsure
        reading(("2419", 0.5), ("2418", 0.5)),  # it may be another
        reading(("24", 0.99)),  # no bib of this race is so short
        reading(("SPONSOR 2419", 0.99)),  # among words
        reading(("2019", 0.99)),  # like a year
        reading(("2419", 0.99), detection_score=0.1),  # hardly a text
    ],
)
def test_what_speaks_against_a_bib_makes_it_less_probable(worse: Reading) -> None:
    best = max(candidate.probability for candidate in candidates(worse, RULES))
    assert best < odds_of("2419", reading(("2419", 0.99))) - 0.05


def test_the_form_of_the_events_bibs_decides_between_spellings() -> None:
    lettered = Event(bibs=30, lengths={2: 0.9}, letter="after", letters={"A": 0.5, "D": 0.5})
    found = candidates(reading(("670", 0.9), ("67D", 0.1)), BibRules(lettered))
    assert [candidate.bib for candidate in found] == ["67D"]


def test_a_line_of_two_bibs_means_both() -> None:
    both = candidates(reading(("2419 3071", 0.99)), RULES)
    assert {candidate.bib for candidate in both if candidate.probability > 0.9} == {"2419", "3071"}


def test_a_text_without_spellings_is_believed_as_its_score_says() -> None:
    told = replace(reading(("2419", 0.7)), spellings=())
    assert odds_of("2419", told) == 0.7


@pytest.mark.parametrize("clock", ["35.40", "3:540", "35:40.1", "2.04c"])
def test_a_number_that_is_a_clock_by_another_spelling_is_doubtful(clock: str) -> None:
    number = "".join(filter(str.isdigit, clock))
    assert odds_of(number, reading((clock, 0.45), (number, 0.4))) < 0.75 * odds_of(number, reading((number, 0.4)))
    assert odds_of(number, reading((f"{number}.", 0.45), (number, 0.4))) > odds_of(number, reading((number, 0.4)))


@pytest.mark.parametrize("barring", [{"asked": {"12.5": "12.5"}}, {"format": re.compile(r"\d+[.,]\d")}])
def test_a_bib_that_reads_like_a_decimal_is_none_the_less_one_where_somebody_says_so(barring: dict[str, Any]) -> None:
    assert odds_of("12.5", reading(("12.5", 0.99)), replace(RULES, **barring)) > 0.9


@pytest.mark.parametrize("missing", [1, 5, 10])
def test_where_nearly_all_numbers_run_one_that_does_not_is_no_likelier(missing: int) -> None:
    absent = {"987", *(str(n) for n in range(101, 100 + missing))}
    entrants = start_list({f"{n:03}": "" for n in range(1, 1000) if str(n) not in absent})
    assert odds_of("937", reading(("937", 0.9), ("987", 0.05)), BibRules(EVENT, entrants=entrants)) > 0.75


def test_the_configs_format_decides_what_a_bib_is() -> None:
    rules = replace(RULES, format=re.compile(r"[A-D]\d{3}"))
    assert odds_of("B123", reading(("B123", 0.99)), rules) > 0.9
    assert candidates(reading(("2419", 0.99)), rules) == ()


def test_too_few_or_too_many_digits_make_no_bib() -> None:
    rules = replace(RULES, min_digits=3, max_digits=4)
    assert candidates(reading(("24", 0.99)), rules) == candidates(reading(("24190", 0.99)), rules) == ()
    assert candidates(reading(("241", 0.99)), rules)


def test_a_number_to_be_ignored_is_no_bib() -> None:
    assert candidates(reading(("2419", 0.99)), replace(RULES, ignore=frozenset({"2419"}))) == ()


@pytest.mark.parametrize(
    ("spelled", "barring"),
    [
        ((("2500", 0.96), ("2560", 0.02)), {"ignore": frozenset({"2500"})}),
        ((("12345", 0.97), ("1234", 0.02)), {"max_digits": 4}),
        ((("5674", 0.9), ("56742", 0.05)), {"min_digits": 5}),
        ((("A123", 0.97), ("4123", 0.02)), {"format": re.compile(r"4\d{3}")}),
    ],
)
def test_what_a_person_says_is_no_bib_does_not_make_a_misreading_of_it_one(
    spelled: tuple[tuple[str, float], ...], barring: dict[str, object]
) -> None:
    event = Event(bibs=99, lengths={3: 0.3, 4: 0.5, 5: 0.5})
    found = candidates(reading(*spelled), BibRules(event, **barring))  # type: ignore[arg-type]
    assert all(candidate.probability < 0.5 for candidate in found)
    assert spelled[0][0] not in {candidate.bib for candidate in found}


def test_what_has_the_configs_format_is_no_less_usual_than_what_has_not() -> None:
    spelled = reading(("1123", 0.8), ("7123", 0.15))
    rules = replace(RULES, format=re.compile(r"[1-4]\d{3}"))
    assert odds_of("1123", spelled, rules) >= odds_of("1123", spelled) > 0.8


def test_a_phone_number_whose_pairs_come_again_holds_no_bib_where_bibs_may_be_words() -> None:
    listed = replace(RULES, entrants=start_list({"VIP1": "", "06": "", "12": "", "34": "", "56": ""}))
    assert candidates(reading(("06 12 12 34 56", 0.95)), listed) == ()


def test_where_letters_tell_bibs_apart_one_without_a_letter_is_another_runners() -> None:
    event = Event(bibs=99, lengths={2: 0.5, 3: 0.5}, letter="after", letters={"A": 0.5, "B": 0.5}, tells_apart=True)
    asked = BibRules(event, asked={"56": "56"})
    assert [one.bib for one in candidates(reading(("56A", 0.99)), asked)] == ["56A"]
    assert odds_of("56", reading(("56", 0.99)), asked) > 0.9
    listed = BibRules(event, entrants=start_list({"156": "", "156A": "", "156B": "", "17": "", "VIP17": ""}))
    assert odds_of("156", reading(("156D", 0.99)), listed) == 0
    assert odds_of("17", reading(("17D", 0.99)), listed) > 0.9  # nobody runs with 17 and a letter
    assert odds_of("17", reading(("M17", 0.99)), listed) > 0.9
    assert odds_of("17", reading(("P17", 0.99)), listed) == 0  # what can be seen of VIP17


def test_a_format_makes_no_bib_of_a_distance_nor_of_the_year_on_many_photos() -> None:
    event = replace(EVENT, years=frozenset({"2025"}))
    rules = BibRules(event, format=re.compile(r"[A-Z]?\d{1,4}[A-Z]?"))
    for text in ("10K", "42K", "2025"):
        assert all(one.probability < 0.5 for one in candidates(reading((text, 0.99)), rules))
    assert odds_of("10B", reading(("10B", 0.99)), rules) > 0.9


def test_the_events_year_is_no_bib_unless_it_is_asked_for() -> None:
    rules = replace(RULES, event=replace(EVENT, years=frozenset({"2019"})))
    assert odds_of("2019", reading(("2019", 0.99)), rules) < 0.5
    assert odds_of("2019", replace(reading(("2019", 0.99)), spellings=()), rules) < 0.5
    assert odds_of("2019", reading(("2019", 0.99)), replace(rules, asked={"2019": "2019"})) > 0.8


@pytest.mark.parametrize("name", ["56D", "VIP12", "883-2", "1234567"])
def test_a_bib_that_is_asked_for_is_found_to_the_letter(name: str) -> None:
    rules = replace(RULES, asked={name: name.lower()})
    assert odds_of(name.lower(), reading((name, 0.99)), rules) > 0.9
    assert odds_of(name, reading((name, 0.99))) < 0.5


def test_what_is_asked_for_or_runs_is_found_among_other_words() -> None:
    listed = replace(
        RULES, asked={"123456": "123456"}, entrants=start_list({"VIP12": "", "O12": "", "12A": "", "12": ""})
    )
    for text, bib in (("123456 ANN", "123456"), ("VIP12.", "VIP12"), ("O12 ANN", "O12"), ("12A JOHN", "12A")):
        assert [one.bib for one in candidates(reading((text, 0.99)), listed)] == [bib]
    two = candidates(reading(("VIP12 2419", 0.99)), listed)
    assert {one.bib for one in two} == {"VIP12", "2419"}
    assert {one.bib: one.probability for one in two}["VIP12"] > 0.9
    price = candidates(reading(("VIP12 €50", 0.99)), listed)
    assert [one.bib for one in price] == ["VIP12"]
    both = replace(listed, asked={"12": "12"})
    assert [one.bib for one in candidates(reading(("12A JOHN", 0.99)), both)] == ["12A"]


@pytest.mark.parametrize("text", ["../../123", "/123", ".123", "FINISH", "1" * 200 + "!"])
def test_a_format_makes_no_bib_of_what_cannot_be_a_folder(text: str) -> None:
    rules = replace(RULES, format=re.compile(r"\S*\d*|(\d+-?)+"))
    assert all("/" not in one.bib and not one.bib.startswith(".") for one in candidates(reading((text, 0.99)), rules))
    assert all(one.bib != "FINISH" for one in candidates(reading((text, 0.99)), rules))


def test_on_a_start_list_a_bib_is_surer_and_off_it_less_so() -> None:
    rules = replace(RULES, entrants=start_list({"2419": "Ann", "17": "Ben"}))
    doubtful = reading(("2419", 0.6))
    assert odds_of("2419", doubtful, rules) > odds_of("2419", doubtful) > odds_of("2419", doubtful, off_list("2418"))


def off_list(bib: str) -> BibRules:
    return replace(RULES, entrants=start_list({bib: ""}))


def test_a_start_list_turns_a_misreading_into_the_entrant_it_may_be() -> None:
    rules = replace(RULES, entrants=start_list({"8463": ""}))
    found = candidates(reading(("3463", 0.8), ("8463", 0.2)), rules)
    assert found[0].bib == "8463"


def test_between_two_entrants_the_recogniser_decides() -> None:
    rules = replace(RULES, entrants=start_list({"8463": "", "3463": ""}))
    found = candidates(reading(("3463", 0.8), ("8463", 0.2)), rules)
    assert [candidate.bib for candidate in found] == ["3463", "8463"]


def test_a_digit_that_nobody_could_read_leaves_the_entrants_with_any_digit_there() -> None:
    rules = replace(RULES, entrants=start_list({"2948": "", "2958": "", "1111": ""}))
    found = {candidate.bib: candidate.probability for candidate in candidates(reading(("29?8", 0.9)), rules)}
    assert found["2948"] == found["2958"] == pytest.approx(0.5, abs=0.1)  # either, so neither is linked
    assert "1111" not in found


def test_what_is_half_read_and_hardly_probable_is_not_guessed() -> None:
    rules = replace(RULES, entrants=start_list({"2948": "", "2419": ""}))
    assert candidates(reading(("29?8", 0.04)), rules) == ()
    assert odds_of("2948", reading(("1111", 0.7), ("29?8", 0.2)), rules) > MAYBE


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.65, 0.35)])
@pytest.mark.parametrize("entrants", [None, start_list({str(n): "" for n in (*range(13000, 15000), 18463)})])
def test_a_number_is_never_likely_to_be_two_bibs(shares: tuple[float, float], entrants: StartList | None) -> None:
    event = Event(bibs=99, lengths={5: 0.9})
    found = candidates(reading(("13463", shares[0]), ("18463", shares[1])), BibRules(event, entrants=entrants))
    assert sum(candidate.probability for candidate in found) <= 1.0 + 1e-9


def test_an_entrant_whose_number_reads_like_a_year_is_linked_and_one_on_the_banner_is_not() -> None:
    rules = replace(RULES, entrants=start_list({str(n): "" for n in range(1, 3000)}))
    assert odds_of("2019", reading(("2019", 0.99)), rules) > 0.8
    on_banner = replace(rules, event=replace(EVENT, years=frozenset({"2019"})))
    assert odds_of("2019", reading(("2019", 0.99)), on_banner) < 0.8


def test_where_bibs_go_up_to_the_years_a_year_is_a_bib() -> None:
    assert odds_of("2019", reading(("2019", 0.99)), BibRules(replace(EVENT, reaches_years=True))) > 0.9


@pytest.mark.parametrize("bib", ["7", "42"])
def test_an_entrant_with_an_unusual_number_of_digits_is_at_least_a_maybe(bib: str) -> None:
    event = Event(bibs=999, lengths={1: 0.02, 2: 0.02, 4: 0.95})
    listed = BibRules(event, entrants=start_list({bib: "", **{str(n): "" for n in range(1000, 4000)}}))
    assert odds_of(bib, reading((bib, 0.99)), listed) > MAYBE
    assert odds_of(bib, reading((bib, 0.99)), BibRules(event)) > MAYBE


def test_a_line_that_nobody_can_spell_breaks_nothing() -> None:
    assert candidates(reading(("2419", 0.0)), RULES)[0].probability < MAYBE


def test_evidence_counts_in_the_order_of_the_weights() -> None:
    assert Evidence._fields == WEIGHTS._fields[1:]
    sure = Evidence(spelled=0.0, usual=0.0, chosen=0.0, detected=0.8, alone=True, year=False)
    assert probability(sure, WEIGHTS) > 0.99
    assert probability(sure._replace(year=True, alone=False), WEIGHTS) < 0.01
