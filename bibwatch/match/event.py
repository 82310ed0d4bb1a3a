"""What the bibs of an event look like, learned from what was read so far: their lengths, their letters, its signage."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from bibwatch.match.bibs import Number, is_year, numbers_in

# What bibs look like anywhere, and how many bibs read it takes to outweigh that.
USUAL_LENGTHS = {1: 0.02, 2: 0.08, 3: 0.35, 4: 0.35, 5: 0.2}
USUAL_WEIGHT = 4.0
SELDOM = 0.02  # of bibs have some length or letter: how much more seldom one is says nothing
SURE_SCORE, SURE_DETECTION = 0.85, 0.6  # of readings to learn from
LETTERED = 0.75  # of an event's bibs have a letter on one side: above it, all that lack one are misread
TOLD_APART = 0.3  # of the digits with a letter that come with several, above which letters tell bibs apart: 56A, 56B
FEW_LETTERS = 2  # different ones, that need not belong to the bib
MISREAD_LETTER = 0.05  # as often as the most frequent letter: one that is seen no more than that is another, misread
FEW_LETTERED = 5  # numbers with a letter, below which they say nothing
YEARS_AS_BIBS = 8  # different numbers like years, read surely, above which bibs go up to them and beyond
YEAR_PHOTOS, YEAR_SHARE = 3, 0.02  # photos that show a number like a year, and hardly ever a runner
SIGN_PHOTOS, SIGN_SHARE = 20, 0.1  # photos that show any other number, above which it may stand on a banner


class SeenText(NamedTuple):
    """A reading as far as an event is learned from it."""

    photo: object  # tells one photo from another
    text: str
    score: float
    detection_score: float


@dataclass(frozen=True, slots=True)
class Event:
    """How likely a bib of this event is to have so many digits, which letter is part of it, and what is no bib."""

    bibs: int = 0  # numbers that this was learned from
    lengths: dict[int, float] = field(default_factory=lambda: dict(USUAL_LENGTHS))  # digits -> share of bibs
    letter: str | None = None  # "before" or "after" the digits, where bibs of this event have one
    bare: bool = True  # whether numbers without a letter are bibs too
    tells_apart: bool = False  # whether the letter tells bibs of the same digits apart
    letters: dict[str, float] = field(default_factory=dict)  # letter -> share of bibs that have it
    reaches_years: bool = False  # whether many bibs read like years, since they count up to there
    years: frozenset[str] = frozenset()  # numbers that read like a year, on banners and clothes: no bibs
    suspects: frozenset[str] = frozenset()  # other numbers that so many photos show that a person should look

    def name_of(self, number: Number) -> str:
        """What a number would be called as a bib of this event."""
        letter = number.letter(self.letter)
        return letter + number.digits if self.letter == "before" else number.digits + letter

    def share_of(self, number: Number) -> float:
        """How usual a number of this form is among the event's bibs, 0..1."""
        share = self.lengths.get(len(number.digits), 0.0)
        letter = number.letter(self.letter)
        if not letter:
            return share if self.bare else SELDOM
        # Letters that bibs do have count as much as none at all would: what they tell apart is which bib it is.
        return share * min(1.0, self.letters.get(letter, 0.0) * len(self.letters))

    @property
    def summary(self) -> str:
        """What was learned, for people."""
        years = f"; no bibs but years: {', '.join(sorted(self.years))}" if self.years else ""
        if not self.bibs:
            return f"nothing learned yet: bibs of 2 to 5 digits are usual{years}"
        usual = [str(length) for length, share in sorted(self.lengths.items()) if share >= 0.05]
        letters = ", ".join(sorted(letter for letter, share in self.letters.items() if share >= 0.05))
        perhaps = "perhaps " if self.bare else ""
        with_letter = f" and {perhaps}a letter {self.letter} them ({letters})" if self.letter else ""
        return f"{' or '.join(usual)} digits{with_letter}, from {self.bibs} numbers read{years}"

    def decides_like(self, other: Event) -> bool:
        """Whether the same readings mean the same bibs in either event."""
        return replace(self, bibs=0, suspects=frozenset()) == replace(other, bibs=0, suspects=frozenset())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"years": sorted(self.years), "suspects": sorted(self.suspects)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Event:
        """The event that `as_json` told; nothing known where another version told it otherwise."""
        try:
            lengths = {int(length): share for length, share in plain["lengths"].items()}
            signs = {kind: frozenset(plain[kind]) for kind in ("years", "suspects")}
            return cls(**plain | {"lengths": lengths} | signs)
        except (TypeError, KeyError, ValueError, AttributeError):
            return cls()


def learn(seen: Iterable[SeenText], photos: int) -> Event:
    """The event that these readings of so many photos show; those of one photo stand beside each other."""
    shown: Counter[str] = Counter()  # digits -> photos that show them
    sure: Counter[Number] = Counter()  # number -> photos in which it was read surely and alone
    for _, texts in groupby(seen, key=itemgetter(0)):
        digits_here, sure_here = set(), set()
        for _, text, score, detection_score in texts:
            is_sure = score >= SURE_SCORE and detection_score >= SURE_DETECTION
            for number in numbers_in(text):
                digits_here.add(number.digits)
                if is_sure and number.alone:
                    sure_here.add(number)
        shown.update(digits_here)
        sure.update(sure_here)
    often = frozenset(d for d, n in shown.items() if n >= max(SIGN_PHOTOS, SIGN_SHARE * photos))
    like_years = {number.digits for number in sure if is_year(number.digits)}
    reaches_years = len(like_years) >= YEARS_AS_BIBS
    least = photos + 1 if reaches_years else max(YEAR_PHOTOS, YEAR_SHARE * photos)
    years = frozenset(digits for digits, n in shown.items() if is_year(digits) and n >= least)
    event = Event(years=years, suspects=often - years, reaches_years=reaches_years)
    return _with_form(event, [number for number in sure.elements() if reaches_years or not is_year(number.digits)])


def _with_form(event: Event, numbers: list[Number]) -> Event:
    """The event with the lengths and letters that these numbers have."""
    letter, bare, tells_apart = _letter_of(numbers)
    bibs = numbers if bare else [number for number in numbers if number.letter(letter)]
    if not bibs:
        return event
    lengths = Counter(len(number.digits) for number in bibs)
    letters = Counter(number.letter(letter) for number in bibs if number.letter(letter))
    total = len(bibs) + USUAL_WEIGHT
    return replace(
        event,
        bibs=len(bibs),
        lengths={n: _coarse((lengths[n] + USUAL_WEIGHT * usual) / total) for n, usual in USUAL_LENGTHS.items()},
        letter=letter,
        bare=bare,
        tells_apart=tells_apart,
        letters={name: _coarse(count / letters.total()) for name, count in sorted(letters.items())},
    )


def _coarse(share: float) -> float:
    """To the nearest quarter power of two, so that one photo more seldom changes what every reading means."""
    return round(float(2 ** (round(math.log2(max(share, SELDOM)) * 4) / 4)), 4)


def _letter_of(numbers: list[Number]) -> tuple[str | None, bool, bool]:
    """On which side of the digits a letter belongs to the bib, whether numbers without one are bibs too, and whether it
    tells bibs apart."""
    for side in ("after", "before"):
        lettered = [number for number in numbers if number.letter(side)]
        if len(lettered) < FEW_LETTERED:
            continue
        letters = _letters_by_digits(lettered, side)
        told_apart = sum(len(several) > 1 for several in letters.values()) > TOLD_APART * len(letters)
        # Two letters, or one, that tell no bibs apart stand for men and women, or for a race: M90005, F90048.
        if len(set().union(*letters.values())) <= FEW_LETTERS and not told_apart:
            continue
        # A letter misread as a digit makes a bare number one digit longer: 670 for 67D. At most one of two is misread.
        perhaps_misread = Counter(len(number.digits) + 1 for number in lettered)
        bare = Counter(len(number.digits) for number in numbers if not number.letter(side)) - perhaps_misread
        if len(lettered) > LETTERED * (len(lettered) + bare.total()):
            return side, False, told_apart
        if told_apart:
            return side, True, True
    return None, True, False


def _letters_by_digits(lettered: Sequence[Number], side: str) -> dict[str, set[str]]:
    """The letters that digits come with, but for those that are misread."""
    counts = Counter(number.letter(side) for number in lettered)
    least = MISREAD_LETTER * max(counts.values())
    letters: dict[str, set[str]] = defaultdict(set)
    for number in lettered:
        if counts[number.letter(side)] > least:
            letters[number.digits].add(number.letter(side))
    return letters
