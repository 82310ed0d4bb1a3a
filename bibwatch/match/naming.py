"""From a text to the bibs that it names, by the rules of the config, the event and the start list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from bibwatch.match.bibs import NO_BIBS, Number, bare, clock_digits, is_number, is_year, numbers_in
from bibwatch.match.event import Event
from bibwatch.match.evidence import WEIGHTS, Weights
from bibwatch.match.startlist import StartList
from bibwatch.values import LONGEST_FORMAL, MAX_DIGITS, bib_fault

LEAST = 1e-4  # a share below it counts as this
ASKED_SHARE = 0.2  # how usual the form of a bib is that somebody asks for, or that is of the config's format
ENTRANT_SHARE = 0.05  # and that of an entrant, at least
UNLISTED = 0.1  # of the numbers that bibs show are on no start list: half hidden ones, late entries, another race
KEPT = 50_000


class Named(NamedTuple):
    """A bib that a text names."""

    bib: str
    usual: float  # how usual its form is among the event's bibs, 0..1
    worth: float  # that, times how much likelier it is to stand on the start list, or off it, than what is no bib
    alone: bool  # whether the text holds nothing else
    year: bool  # whether it is more likely a year
    barred: bool  # whether a person has said that it is none; what else a reading may mean has it as a rival still


@dataclass(frozen=True, eq=False)
class BibRules:
    """What may be a bib, and how the evidence for it is weighed."""

    event: Event = Event()
    format: re.Pattern[str] | None = None  # of a bib as a whole; None: as the event shows it
    min_digits: int = 1
    max_digits: int = MAX_DIGITS
    ignore: frozenset[str] = frozenset()  # in capitals; never bibs
    asked: Mapping[str, str] = field(default_factory=dict)  # bibs that somebody asks for, in capitals -> as written
    entrants: StartList | None = None  # who runs; None: nobody knows
    weights: Weights = WEIGHTS

    @cached_property
    def named(self) -> Mapping[str, tuple[Named, ...]]:
        """Any text -> the bibs that it names, each once, the likeliest first."""
        return _Kept(self)

    @cached_property
    def to_the_letter(self) -> bool:
        """Whether there may be bibs that are more than a usual number."""
        said = (*self.asked, *(self.entrants.names if self.entrants else ()))
        return self.format is not None or not all(map(is_number, said))


class _Kept(dict[str, tuple[Named, ...]]):
    """Finds what a text names when it is asked for, and keeps it: the same thousands of texts come again and again."""

    def __init__(self, rules: BibRules) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, text: str) -> tuple[Named, ...]:
        if len(self) >= KEPT:
            self.clear()
        named = self[text] = _named(text, self._rules)
        return named


def _named(text: str, rules: BibRules) -> tuple[Named, ...]:
    if is_number(text) or not rules.to_the_letter:
        found = [_called(number, rules) for number in numbers_in(text)]
    else:
        found = list(_with_known(text, rules))
    digits = clock_digits(text)
    if digits and not _is_known(text.strip().upper(), rules):  # a rival of the number that it is without its marks
        usual = max(rules.event.share_of(Number("", digits, "", alone=True)), LEAST)
        found.append(Named(text, usual, usual, alone=True, year=False, barred=True))
    each_once = {named.bib: named for named in found}.values()
    return tuple(each_once if len(each_once) < 2 else sorted(each_once, key=attrgetter("worth"), reverse=True))


def _with_known(text: str, rules: BibRules) -> Iterator[Named]:
    """The bibs that a text names to the letter, whatever they are made of, as in VIP12 and 883-2; and its numbers."""
    whole = text.strip().upper()
    words = [(word, bare(word).upper()) for word in text.split()]
    known = [name for name in dict.fromkeys((whole, *(name for _, name in words))) if _is_known(name, rules)]
    rest = [] if whole in known else [(word, name) for word, name in words if name not in known]
    numbers = numbers_in(" ".join(word for word, _ in rest) if known else text)
    alone = all(len(name) <= 1 for _, name in rest) or (bool(numbers) and all(number.alone for number in numbers))
    for name in known:
        yield _weighed(rules.asked.get(name, name), ASKED_SHARE, rules, alone, year=False)
    yield from (_called(number, rules) for number in numbers)


def _is_known(name: str, rules: BibRules) -> bool:
    """Whether somebody has said that there is a bib of just this name, which is more than a usual number."""
    if is_number(name) or name in rules.ignore or len(name) > LONGEST_FORMAL:
        return False
    if name in rules.asked or (rules.entrants is not None and name in rules.entrants):
        return True
    if rules.format is None or bib_fault(name) is not None or not any(character.isdigit() for character in name):
        return False
    return bool(rules.format.fullmatch(name)) and not NO_BIBS["a distance"].search(name)


def _called(number: Number, rules: BibRules) -> Named:
    """The bib that a number stands for: one asked for, or who runs, or one of the form that bibs have."""
    event, entrants, names = rules.event, rules.entrants, _names_of(number, rules)
    usual, alone, of_event = event.share_of(number), number.alone, number.digits in event.years
    may_be = rules.min_digits <= len(number.digits) <= rules.max_digits and names[0] not in rules.ignore
    for name in names if may_be else ():
        if name in rules.asked:
            return _weighed(rules.asked[name], max(ASKED_SHARE, usual), rules, alone, year=False)
        if rules.format is None and entrants is not None and name in entrants:
            return _weighed(name, max(ENTRANT_SHARE, usual), rules, alone, year=of_event)
        if rules.format is not None and rules.format.fullmatch(name):
            return _weighed(name, max(ASKED_SHARE, usual), rules, alone, year=of_event)
    name = event.name_of(number)
    year = of_event or (is_year(number.digits) and not event.reaches_years)
    found = _weighed(name if name in names else names[0], max(usual, LEAST), rules, alone, year=year)
    return found if may_be and rules.format is None else found._replace(barred=True)


def _names_of(number: Number, rules: BibRules) -> tuple[str, ...]:
    """What a number may be called: with its letters, and without those that tell no bibs apart."""
    before, digits, after, _ = number
    if not before and not after:
        return (digits,)
    befores, afters = (
        (letter,) if not letter or _tells_apart(number, side, rules) else (letter, "")
        for side, letter in (("before", before), ("after", after))
    )
    return tuple(first + digits + last for last in afters for first in befores)


def _tells_apart(number: Number, side: str, rules: BibRules) -> bool:
    """Whether somebody else may run who has these digits and another letter, or none, on that side."""
    if rules.entrants is not None:
        return rules.entrants.tells_apart(number.digits, side, number.letter(side))
    return rules.event.tells_apart and rules.event.letter == side


def _weighed(bib: str, usual: float, rules: BibRules, alone: bool, *, year: bool) -> Named:
    """With Bayes' factor of the start list: a bib is on it but for a few; any other text meets it only by chance."""
    name = bib.upper()
    barred = name in rules.ignore
    if rules.entrants is None:
        return Named(bib, usual, usual, alone, year, barred)
    met = rules.entrants.density(name)
    listed = (1 - UNLISTED) / max(met, LEAST)
    # Where nearly every number of a form runs, one that does not is no likelier than one that does.
    factor = listed if name in rules.entrants else min(listed, UNLISTED / max(1 - met, LEAST))
    return Named(bib, usual, usual * factor, alone, year, barred)
