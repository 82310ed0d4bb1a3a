from dataclasses import replace
from pathlib import Path

import pytest

from bibwatch.match.bursts import inferred_bibs
from bibwatch.match.decide import Rules, wanted_bibs
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import start_list
from bibwatch.values import Box, Correction, Reading, ReadPhoto, Shot, Targets

RULES = Rules(Targets(None), 0.0, 0.0, 0.5, 0.5, "{bib}")
PLACE = Box(400, 400, 480, 430)


def photo(name: str, text: str, score: float, box: Box = PLACE, *said: Correction) -> ReadPhoto:
    readings = (Reading(text, score, box, 0.8, "test"),)
    return ReadPhoto(Path(name), 1000, 800, readings, said, Shot("cam", 1.0))


DOUBTFUL, SURE = photo("a.jpg", "2419", 0.3), photo("b.jpg", "2419", 0.9)


def test_a_doubtful_bib_is_inferred_from_a_photo_that_shows_it_surely_and_names_that() -> None:
    inferred = inferred_bibs(DOUBTFUL, [DOUBTFUL, SURE], RULES)
    assert inferred["2419"].source == SURE
    assert inferred["2419"].match.probability == 0.3
    assert wanted_bibs(DOUBTFUL, RULES, inferred) == {"2419"}
    assert wanted_bibs(DOUBTFUL, RULES) == frozenset()


@pytest.mark.parametrize(
    "other",
    [
        DOUBTFUL,  # itself
        photo("b.jpg", "2419", 0.3),  # as doubtful
        photo("b.jpg", "2418", 0.9),  # another bib
        photo("b.jpg", "2419", 0.9, Box(700, 400, 780, 430)),  # elsewhere
        photo("b.jpg", "2419", 0.9, Box(400, 400, 480, 460)),  # twice as large
        photo("b.jpg", "2419", 0.9, PLACE, Correction("remove", ("2419",))),  # which a person removed there
        photo("b.jpg", "2419", 0.9, PLACE, Correction("set", ("17",))),  # where a person saw another
        photo("b.jpg", "2419", 0.9, PLACE, Correction("set", ())),  # where a person saw none
        replace(SURE, shot=None),  # of nobody knows when
        replace(SURE, width=800, height=1000),  # held upright meanwhile
    ],
)
def test_nothing_else_supports_it(other: ReadPhoto) -> None:
    assert inferred_bibs(DOUBTFUL, [other], RULES) == {}


def test_a_bib_that_a_person_spoke_of_is_inferred_from_nothing() -> None:
    said = photo("a.jpg", "2419", 0.3, PLACE, Correction("remove", ("2419",)))
    assert inferred_bibs(said, [SURE], RULES) == {}


def test_a_bib_that_nobody_runs_with_is_inferred_from_nothing() -> None:
    listed = replace(RULES, bibs=BibRules(entrants=start_list({"17": ""})))
    assert inferred_bibs(DOUBTFUL, [SURE], listed) == {}


def test_only_targets_are_linked_also_where_bibs_are_inferred() -> None:
    inferred = inferred_bibs(DOUBTFUL, [SURE], RULES)
    assert wanted_bibs(DOUBTFUL, replace(RULES, targets=Targets(frozenset({"17"}))), inferred) == frozenset()
    assert wanted_bibs(DOUBTFUL, replace(RULES, targets=Targets(frozenset({"2419"}))), inferred) == {"2419"}
