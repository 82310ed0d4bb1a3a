"""From a text to the bibs that it names, by the rules of the config, the event and the start list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from bibwatch.match.bibs import Number, is_number, is_year, numbers_in, words_in
from bibwatch.match.event import Event
from bibwatch.match.evidence import WEIGHTS, Weights
from bibwatch.match.startlist import StartList
from bibwatch.values import MAX_DIGITS, bib_fault

LEAST = 1e-4  # a share below it counts as this
ASKED_SHARE = 0.2  # how usual the form of a bib is that somebody asks for, or that is of the config's format
ENTRANT_SHARE = 0.05  # and that of an entrant, at least
UNLISTED = 0.02  # of the bibs in photos are on no start list: late entries, another race
LONGEST_FORMAL = 12  # characters of a name that is more than a number: a format may take for ever on a longer text
KEPT = 50_000


class Named(NamedTuple):
    """A bib that a text names."""

    bib: str
    usual: float  # how usual its form is among the event's bibs, 0..1
    worth: float  # that, times how much likelier it is to stand on the start list, or off it, than what is no bib
    alone: bool  # whether the text holds nothing else
    year: bool  # whether it is more likely a year


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
    known, rest = ([], text) if is_number(text) or not rules.to_the_letter else _known_in(text, rules)
    found = {named.bib: named for named in (*known, *_called_in(rest, rules)) if named.bib.upper() not in rules.ignore}
    return tuple(found.values() if len(found) < 2 else sorted(found.values(), key=attrgetter("worth"), reverse=True))


def _called_in(text: str, rules: BibRules) -> Iterator[Named]:
    for number in numbers_in(text):
        if rules.min_digits <= len(number.digits) <= rules.max_digits:
            called = _called(number, rules)
            if called is not None:
                yield called


def _known_in(text: str, rules: BibRules) -> tuple[list[Named], str]:
    """The bibs that a text names to the letter, whatever they are made of, as in VIP12 and 883-2; and what is left."""
    capitals = text.strip().upper()
    words = words_in(capitals)
    known = [word for word in dict.fromkeys((capitals, *words)) if _is_known(word, rules)]
    if not known:
        return [], text
    alone = len(words) == len(known)
    found = [_weighed(rules.asked.get(name, name), ASKED_SHARE, rules, alone, year=False) for name in known]
    return found, "" if capitals in known else " ".join(word for word in words if word not in known)


def _is_known(name: str, rules: BibRules) -> bool:
    """Whether somebody has said that there is a bib of just this name, which is more than a usual number."""
    if is_number(name) or name in rules.ignore or len(name) > LONGEST_FORMAL:
        return False
    if name in rules.asked or (rules.entrants is not None and name in rules.entrants):
        return True
    holds_digit = any(character.isdigit() for character in name)
    return rules.format is not None and holds_digit and bib_fault(name) is None and bool(rules.format.fullmatch(name))


def _called(number: Number, rules: BibRules) -> Named | None:
    """The bib that a number stands for, if any: one asked for, or who runs, with its letters if there is one so."""
    before, digits, after, alone = number
    event, entrants = rules.event, rules.entrants
    names = (before + digits + after, digits + after, before + digits, digits) if before or after else (digits,)
    for name in names:
        if name in rules.asked:
            usual = max(ASKED_SHARE, event.share_of(number))
            return _weighed(rules.asked[name], usual, rules, alone, year=False)
        if rules.format is None and entrants is not None and name in entrants:
            usual = max(ENTRANT_SHARE, event.share_of(number))
            return _weighed(name, usual, rules, alone, digits in event.years)
    if rules.format is not None:
        formal = next((name for name in names if rules.format.fullmatch(name)), None)
        return None if formal is None else _weighed(formal, ASKED_SHARE, rules, alone, year=False)
    name = event.name_of(number)
    year = digits in event.years or (is_year(digits) and not event.reaches_years)
    return _weighed(name, max(event.share_of(number), LEAST), rules, alone, year)


def _weighed(bib: str, usual: float, rules: BibRules, alone: bool, year: bool) -> Named:
    """With Bayes' factor of the start list: a bib is on it but for a few; any other text meets it only by chance."""
    if rules.entrants is None:
        return Named(bib, usual, usual, alone, year)
    name = bib.upper()
    met = rules.entrants.density(name)
    on_it = name in rules.entrants
    factor = (1 - UNLISTED) / max(met, LEAST) if on_it else UNLISTED / max(1 - met, LEAST)
    return Named(bib, usual, usual * factor, alone, year)
