from dataclasses import replace
from pathlib import Path

import pytest

from bibwatch.evaluate.judge import (
    Bin,
    Judged,
    expected_calibration_error,
    judge,
    reliability,
    tally,
)
from bibwatch.evaluate.manifest import LabelledPhoto
from bibwatch.match.decide import Match, Rules
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import start_list
from bibwatch.values import MOST_IN_BURST, Box, Reading, ReadPhoto, Shot, Targets

RULES = Rules(Targets(None), 0.0, 0.5, 0.5, 0.5, "{bib}")


def reading(text: str, score: float = 0.9) -> Reading:
    return Reading(text, score, Box(0, 0, 9, 9), 0.9, "test")


def seen_in(photos: dict[str, tuple[Reading, ...]]) -> dict[str, ReadPhoto]:
    """What was read, by the photo's file."""
    return {file: ReadPhoto(Path(file), 100, 100, readings, ()) for file, readings in photos.items()}


def photo(file: str, bibs: str, ambiguous: str = "", source: str = "here") -> LabelledPhoto:
    return LabelledPhoto(file, frozenset(bibs.split()), frozenset(ambiguous.split()), source)


def test_pairs_of_photo_and_bib_are_counted_exactly() -> None:
    photos = [photo("a", "2419 17"), photo("b", "2419"), photo("c", "")]
    seen = seen_in({"a": (reading("2419"), reading("71")), "b": (reading("2419"), reading("2419")), "c": ()})
    judged = judge(photos, seen, RULES)
    assert [(one.wrong, one.missed) for one in judged] == [({"71"}, {"17"}), (set(), set()), (set(), set())]
    counted = tally(judged)
    assert (counted.photos, counted.bibs) == (3, 3)
    assert (counted.true_positives, counted.false_positives, counted.false_negatives) == (2, 1, 1)
    assert counted.precision == counted.recall == counted.f1 == pytest.approx(2 / 3)


def test_a_doubtful_number_counts_neither_way() -> None:
    [found] = judge([photo("a", "2419", ambiguous="71")], seen_in({"a": (reading("2419"), reading("71"))}), RULES)
    [not_found] = judge([photo("a", "2419", ambiguous="71")], seen_in({"a": (reading("2419"),)}), RULES)
    assert tally([found]) == tally([not_found])
    assert tally([found]).f1 == 1.0


def test_a_bib_that_is_less_probable_than_accepted_is_missed() -> None:
    strict = replace(RULES, accept_told=0.7)
    [one] = judge([photo("a", "2419")], seen_in({"a": (reading("2419", 0.6),)}), strict)
    assert one.missed == {"2419"}
    assert one.matches["2419"].probability == 0.6


def test_a_bib_off_the_start_list_is_not_found_however_probable() -> None:
    listed = replace(RULES, bibs=BibRules(entrants=start_list({"17": ""})))
    [one] = judge([photo("a", "17")], seen_in({"a": (reading("17"), reading("2419", 0.99))}), listed)
    assert (one.wrong, one.missed) == (set(), set())


def test_a_burst_supports_its_photos_doubtful_bibs() -> None:
    photos = [photo("a", "2419"), photo("b", "2419")]
    seen = seen_in({"a": (reading("2419"),), "b": (reading("2419", 0.3),)})
    shots = {file: replace(one, shot=Shot("cam", at)) for at, (file, one) in enumerate(seen.items())}
    low = replace(RULES, min_score=0.0)
    assert [one.missed for one in judge(photos, shots, low)] == [set(), {"2419"}]
    assert [one.missed for one in judge(photos, shots, replace(low, burst_s=2.0))] == [set(), set()]


def test_more_photos_of_one_moment_than_a_burst_has_support_none() -> None:
    photos = [photo(f"{n}", "2419") for n in range(MOST_IN_BURST + 1)]
    seen = seen_in({one.file: (reading("2419", 0.9 if one.file == "0" else 0.3),) for one in photos})
    shots = {file: replace(one, shot=Shot("cam", 1.0)) for file, one in seen.items()}
    close = replace(RULES, min_score=0.0, burst_s=2.0)
    assert sum(bool(one.missed) for one in judge(photos, shots, close)) == MOST_IN_BURST
    assert not any(one.missed for one in judge(photos[1:], {**shots, "1": shots["0"]}, close))


def test_each_source_is_an_event_of_its_own() -> None:
    photos = [photo(f"{source} {n}", "", source=source) for source in ("old", "new") for n in range(5)]
    shown = {one.file: (reading("2025"),) if one.source == "new" else () for one in photos}
    seen = seen_in(shown | {"old 0": (reading("2025"),)})
    wrong = {one.photo.file for one in judge(photos, seen, RULES) if one.wrong}
    assert wrong == {"old 0"}  # the year of the new event is a year only there


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    counted = tally(judge([photo("a", "")], seen_in({"a": ()}), RULES))
    assert (counted.precision, counted.recall, counted.f1) == (1.0, 1.0, 1.0)


def judged(probability: float, *, right: bool) -> Judged:
    match = Match("7", probability, reading("7"))
    return Judged(photo("a", "7" if right else "8"), (), {"7": match}, frozenset())


def test_reliability_compares_what_was_told_with_what_was_right() -> None:
    told = [judged(0.85, right=True), judged(0.89, right=False), judged(0.15, right=False), judged(0.05, right=True)]
    assert reliability(told) == [Bin(1, 0.15, 0.0), Bin(2, pytest.approx(0.87), 0.5)]  # 0.05 nobody hears of
    assert expected_calibration_error(reliability(told)) == pytest.approx((0.15 + 2 * 0.37) / 3)
    assert expected_calibration_error([]) == 0.0
