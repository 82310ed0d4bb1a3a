import re
from pathlib import Path

from bibwatch.match.decide import Rules, near_targets
from bibwatch.match.event import Event
from bibwatch.match.explain import fate_of, story_of
from bibwatch.match.naming import BibRules
from bibwatch.values import Box, Correction, Reading, ReadPhoto, Spelling, Targets

EVENT = Event(bibs=9, lengths={4: 0.9}, years=frozenset({"2025"}))


def rules(*targets: str, max_distance: float = 0.0, bibs: BibRules | None = None) -> Rules:
    return Rules(Targets(frozenset(targets) or None), max_distance, 0.5, 0.5, 0.5, "{bib}", bibs or BibRules(EVENT))


def reading(text: str, score: float = 0.9, *spelled: tuple[str, float]) -> Reading:
    return Reading(text, score, Box(0, 0, 9, 9), 0.8, "test", spellings=tuple(Spelling(*one) for one in spelled))


def photo(*texts: str, said: tuple[Correction, ...] = ()) -> ReadPhoto:
    return ReadPhoto(Path("/in/a.jpg"), 9, 9, tuple(reading(text) for text in texts), said)


def story(one: Reading, by: Rules | None = None) -> str:
    return "\n".join(story_of(one, by or rules()))


def test_a_bib_is_told_with_all_that_speaks_for_it() -> None:
    told = story(reading("2419", 0.9, ("2419", 0.8), ("2418", 0.2)))
    assert "spelled '2419' 0.80, '2418' 0.20" in told
    assert re.search(r"2419: 0\.\d\d, accepted \(from 0.50\); log odds -4.4, spelled -0.3, .*alone \+4.5", told)


def test_an_engines_own_word_is_told_as_such() -> None:
    assert story(reading("2419")) == "2419: 0.90, accepted (from 0.50): as the engine says"


def test_a_text_that_is_no_bib_is_told_why() -> None:
    ignoring = rules(bibs=BibRules(EVENT, ignore=frozenset({"100"})))
    formal = rules(bibs=BibRules(EVENT, format=re.compile(r"[A-D]\d{3}")))
    assert story(reading("21KM")) == "no bib: it reads like a distance"
    assert story(reading("TEAM413")) == "no bib: a word, or more digits than a bib has"
    assert story(reading("2025")) == "2025: 0.30, not accepted (from 0.50), the year on many photos: as the engine says"
    assert story(reading("2419", 0.3)) == "no bib: its score 0.30 is below reader.min_score 0.50"
    short = rules(bibs=BibRules(EVENT, min_digits=3))
    assert story(reading("17"), short) == "no bib: a bib has 3 to 5 digits (bibs.min_digits, bibs.max_digits)"
    assert story(reading("100"), ignoring) == "no bib: 100 stands in bibs.ignore"
    assert story(reading("2419"), formal) == r"no bib: it has not the form bibs.format '[A-D]\\d{3}'"


def test_what_became_of_a_bib_names_the_rule() -> None:
    said = (Correction("remove", ("2419",)), Correction("add", ("17",)))
    one = photo("2419", "3071", said=said)
    assert fate_of("3071", one, rules()) == "wanted: seen"
    assert fate_of("3071", one, rules("2419")) == "not linked: seen, but not among the targets"
    assert fate_of("2419", one, rules()) == "not linked: a person removed it"
    assert fate_of("17", one, rules("17")) == "wanted: a person said so"
    assert fate_of("99", one, rules()) == "not linked: not seen surely"


def test_what_was_said_of_a_target_is_told_however_that_is_written() -> None:
    asked = rules("vip12", bibs=BibRules(EVENT, asked={"VIP12": "vip12"}))
    assert fate_of("vip12", photo(said=(Correction("add", ("VIP12",)),)), asked) == "wanted: a person said so"
    assert fate_of("vip12", photo(said=(Correction("remove", ("VIP12",)),)), asked) == "not linked: a person removed it"


def test_a_bib_that_a_person_did_not_name_is_told_so() -> None:
    one = photo("2419", said=(Correction("set", ("17",)),))
    assert fate_of("2419", one, rules()) == "not linked: a person said the bibs are 17"
    none = photo("2419", said=(Correction("set", ()),))
    assert fate_of("2419", none, rules()) == "not linked: a person said the bibs are none"


def test_a_maybe_is_told_as_one() -> None:
    one = ReadPhoto(Path("/in/a.jpg"), 9, 9, (reading("2419", 0.6),), ())
    strict = Rules(Targets(None), 0.0, 0.5, 0.7, 0.7, "{bib}", BibRules(EVENT))
    assert fate_of("2419", one, strict) == "a maybe, not linked"


def test_a_target_within_the_distance_is_told_with_the_number_it_was_read_as() -> None:
    assert near_targets(photo("2418"), frozenset({"2418"}), rules("2419", max_distance=1)) == {"2419": "2418"}
    assert near_targets(photo("2418"), frozenset({"2418"}), rules("2419")) == {}
