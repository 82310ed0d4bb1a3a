import random
import re
import string
from itertools import product

import pytest

from bibwatch.match.event import Event
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import start_list
from bibwatch.match.weigh import candidates
from bibwatch.service.setup import asked_bibs
from bibwatch.values import UNKNOWN, Box, Reading, Spelling, mentioned, ways_to_mention, with_digits

ASKED = ["56D", "VIP12", "883-2", "2419", "A1", "35.40", "O12", "I25", "12O"]
PARTS = [*string.digits, *"OIl|AbK", " ", "-", ".", ":", "/", "#", "km", "2419", "56D", "VIP12", "883-2", UNKNOWN]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("2419", {"2419"}),
        ("M 90005", {"90005"}),
        ("24l9", {"24", "9", "249", "2419"}),
        ("883-2", {"883", "2", "8832"}),
        ("10K-2419", {"10", "2419", "102419"}),
        (f"2{UNKNOWN}19", {f"2{UNKNOWN}19", "2", "19"}),
        (f"{UNKNOWN}2{UNKNOWN}", {"2"}),
        (f"M{UNKNOWN}", {UNKNOWN}),
        ("1234567890123", set()),
        ("FINISH", set()),
    ],
)
def test_the_digits_of_a_text_are_told(text: str, digits: set[str]) -> None:
    assert mentioned(text) >= digits
    assert bool(mentioned(text)) == bool(digits)


def test_a_bib_is_mentioned_by_its_digits_also_where_one_could_not_be_read() -> None:
    assert ways_to_mention("56D") == {"56", f"{UNKNOWN}6", f"5{UNKNOWN}"}
    assert ways_to_mention("0042") >= {"0042"}
    assert ways_to_mention("ELITE") == set()


def test_digits_leave_a_texts_length_as_it_is() -> None:
    assert with_digits("2O4l") == "2041"
    assert with_digits("FOIL 5") == "FOIL 5"


@pytest.mark.parametrize(
    "rules",
    [
        BibRules(Event()),
        BibRules(Event(), asked=asked_bibs(ASKED)),
        BibRules(Event(), entrants=start_list(dict.fromkeys([*ASKED, "241", "014", "9"], ""))),
        BibRules(Event(), format=re.compile(r"[A-Z]*\d+(-\d)?")),
    ],
    ids=["plain", "asked", "listed", "formal"],
)
def test_whatever_a_text_may_be_taken_for_it_mentions(rules: BibRules) -> None:
    """The photos of a bib are looked for by this: a bib that is not mentioned would be a photo that nobody gets."""
    chance, named = random.Random(7), 0
    short = ("".join(text) for length in (1, 2, 3) for text in product("1259OIlA -.?", repeat=length))
    long = ("".join(chance.choice(PARTS) for _ in range(chance.randrange(2, 7))) for _ in range(10_000))
    for text in (*short, *long):
        spellings = (Spelling(text, 0.6), Spelling(chance.choice(PARTS), 0.3))
        reading = Reading(text, 0.9, Box(0, 0, 1, 1), 0.9, "engine:1", spellings=spellings)
        told = {digits for spelled, _ in spellings for digits in mentioned(spelled)}
        for bib, _, _ in candidates(reading, rules, least=0.0):
            assert ways_to_mention(bib) & told, (text, bib)
            named += 1
    assert named > 1000
