from dataclasses import replace
from pathlib import Path

from bibwatch.match.decide import (
    Rules,
    bibs_of,
    distinct_name,
    maybes_of,
    read_bibs,
    wanted_bibs,
    wanted_links,
)
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import start_list
from bibwatch.values import Box, Correction, Reading, ReadPhoto, Targets

BOX = Box(0, 0, 10, 10)


def photo(path: str, *texts: str, score: float = 0.9, corrections: tuple[Correction, ...] = ()) -> ReadPhoto:
    return ReadPhoto(Path(path), 640, 480, tuple(Reading(text, score, BOX, 0.8, "test") for text in texts), corrections)


def rules(*targets: str, max_distance: float = 0.0, folder: str = "{bib}") -> Rules:
    wanted = Targets(frozenset(targets) or None)
    return Rules(wanted, max_distance, 0.5, 0.5, 0.5, folder, BibRules(asked={bib.upper(): bib for bib in targets}))


def test_a_target_gets_a_link_and_other_bibs_do_not() -> None:
    links = wanted_links([photo("/in/a.jpg", "2419", "17")], rules("2419"))
    assert links == {Path("2419/a.jpg"): Path("/in/a.jpg")}


def test_without_named_targets_every_bib_gets_a_folder() -> None:
    assert wanted_bibs(photo("/in/a.jpg", "2419", "17", "FINISH"), rules()) == {"2419", "17"}


def test_a_reading_below_the_score_is_no_bib() -> None:
    assert bibs_of(photo("/in/a.jpg", "2419", score=0.49), rules()) == frozenset()


def test_a_leading_zero_makes_another_bib() -> None:
    assert wanted_bibs(photo("/in/a.jpg", "0042"), rules("42")) == frozenset()


def test_a_distance_lets_a_half_read_number_match() -> None:
    assert wanted_bibs(photo("/in/a.jpg", "241"), rules("2419", max_distance=1)) == {"2419"}
    assert wanted_bibs(photo("/in/a.jpg", "241"), rules("2419")) == frozenset()


def test_a_target_with_letters_matches_to_the_letter() -> None:
    assert wanted_bibs(photo("/in/a.jpg", "56D"), rules("56D", "56")) == {"56D"}


def test_corrections_win_over_readings_in_the_order_they_were_made() -> None:
    said = (Correction("set", ("7", "8")), Correction("remove", ("7",)), Correction("add", ("9",)))
    assert bibs_of(photo("/in/a.jpg", "2419", corrections=said), rules()) == {"8", "9"}


def test_a_distance_never_softens_what_a_person_said() -> None:
    corrected = photo("/in/a.jpg", "2419", corrections=(Correction("set", ("241",)),))
    assert wanted_bibs(corrected, rules("2419", max_distance=1)) == frozenset()


def test_a_correction_of_one_bib_leaves_the_distance_of_the_others_alone() -> None:
    one_removed = photo("/in/a.jpg", "241", "17", corrections=(Correction("remove", ("17",)),))
    assert wanted_bibs(one_removed, rules("2419", "17", max_distance=1)) == {"2419"}
    target_removed = photo("/in/a.jpg", "241", corrections=(Correction("remove", ("2419",)),))
    assert wanted_bibs(target_removed, rules("2419", max_distance=1)) == frozenset()


def test_two_photos_of_one_name_both_get_a_link_whatever_their_order() -> None:
    one, two = photo("/in/cam1/IMG_1.JPG", "7"), photo("/in/cam2/IMG_1.JPG", "7")
    links = wanted_links([two, one], rules("7"))
    assert links == wanted_links([one, two], rules("7"))
    assert links[Path("7/IMG_1.JPG")] == one.path
    assert links[Path("7", distinct_name(two.path))] == two.path
    assert len(links) == 2


def test_the_folder_template_names_the_folder() -> None:
    assert list(wanted_links([photo("/in/a.jpg", "7")], rules("7", folder="bib {bib}"))) == [Path("bib 7/a.jpg")]


def maybe(text: str, probability: float, *said: Correction) -> ReadPhoto:
    """A photo with one text that an engine is this sure of."""
    return photo("/in/a.jpg", text, score=probability, corrections=said)


def test_a_bib_less_probable_than_accepted_is_a_maybe_and_not_linked() -> None:
    strict = replace(rules(), accept_told=0.8)
    assert wanted_bibs(maybe("2419", 0.7), strict) == frozenset()
    assert maybes_of(maybe("2419", 0.7), strict).keys() == {"2419"}
    assert maybes_of(maybe("2419", 0.9), strict) == {}


def test_a_maybe_that_a_person_has_spoken_of_is_settled() -> None:
    strict = replace(rules(), accept_told=0.8)
    for said in (Correction("remove", ("2419",)), Correction("add", ("2419",)), Correction("set", ("7",))):
        assert maybes_of(maybe("2419", 0.7, said), strict) == {}
    assert maybes_of(maybe("2419", 0.7, Correction("add", ("7",))), strict).keys() == {"2419"}


def test_of_two_readings_of_one_bib_the_likelier_counts() -> None:
    twice = (Reading("2419", 0.6, BOX, 0.8, "test"), Reading("2419", 0.9, Box(5, 5, 9, 9), 0.8, "test"))
    assert read_bibs(twice, rules())["2419"].reading == twice[1]


def test_a_bib_folder_may_have_the_runners_name() -> None:
    entrants = start_list({"7": "Ann Lee", "8": ""})
    named = replace(rules(), folder="{bib}_{name}", bibs=BibRules(entrants=entrants))
    links = wanted_links([photo("/in/a.jpg", "7", "8", score=0.99)], named)
    assert set(links) == {Path("7_Ann Lee/a.jpg"), Path("8/a.jpg")}


def test_targets_in_other_letters_are_found_and_linked_as_written() -> None:
    assert wanted_bibs(photo("/in/a.jpg", "56D"), rules("56d")) == {"56d"}
