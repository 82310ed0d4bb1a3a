"""From a text to the bibs that it names, by the rules of the config, the event and the start list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bibwatch.match.bibs import Number, is_year, numbers_in, words_in
from bibwatch.match.event import Event
from bibwatch.match.evidence import WEIGHTS, Weights
from bibwatch.match.startlist import StartList
from bibwatch.values import MAX_DIGITS, bib_fault

LEAST = 1e-4  # a share below it counts as this
ASKED_SHARE = 0.2  # how usual the form of a bib is that somebody asks for, or that is of the config's format
ENTRANT_SHARE = 0.05  # and that of an entrant, at least
UNLISTED = 0.02  # of the bibs in photos are on no start list: late entries, another race
LONGEST_FORMAL = 12  # characters of a name that is more than a number: a format may take for ever on a longer text
KEPT = 100_000  # texts whose bibs are kept


class Named(NamedTuple):
    """A bib that a text names."""

    bib: str
    usual: float  # how usual its form is among the event's bibs, 0..1
    listed: float  # how much likelier it is to stand on the start list, or off it, than a text that is no bib
    alone: bool  # whether the text holds nothing else
    year: bool  # whether it is more likely a year


@dataclass(frozen=True, slots=True, eq=False)
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
    _kept: dict[str, tuple[Named, ...]] = field(default_factory=dict, init=False, repr=False)

    def named_in(self, text: str) -> tuple[Named, ...]:
        """The bibs that a text names, each once. Kept, since the same few thousand texts come again and again."""
        found = self._kept.get(text)
        if found is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            found = self._kept[text] = tuple({named.bib: named for named in _named(text, self)}.values())
        return found


def _named(text: str, rules: BibRules) -> Iterator[Named]:
    capitals = text.strip().upper()
    words = words_in(capitals)
    known = [word for word in dict.fromkeys((capitals, *words)) if _is_known(word, rules)]
    for name in known:  # to the letter, whatever they are made of: VIP12, 883-2
        bib = rules.asked.get(name, name)
        yield Named(bib, ASKED_SHARE, _listed(name, rules.entrants), alone=len(words) == len(known), year=False)
    rest = " ".join(word for word in words if word not in known) if known else text
    for number in () if capitals in known else numbers_in(rest):
        if rules.min_digits <= len(number.digits) <= rules.max_digits:
            called = _called(number, rules)
            if called is not None and called.bib.upper() not in rules.ignore:
                yield called


def _is_known(name: str, rules: BibRules) -> bool:
    """Whether somebody has said that there is a bib of just this name, which is more than a usual number."""
    if (name.isdigit() and len(name) <= MAX_DIGITS) or name in rules.ignore or len(name) > LONGEST_FORMAL:
        return False
    if name in rules.asked or (rules.entrants is not None and name in rules.entrants):
        return True
    holds_digit = any(character.isdigit() for character in name)
    return rules.format is not None and holds_digit and bib_fault(name) is None and bool(rules.format.fullmatch(name))


def _called(number: Number, rules: BibRules) -> Named | None:
    """The bib that a number stands for, if any: one asked for, or who runs, with its letters if there is one so."""
    before, digits, after, alone = number
    event, entrants = rules.event, rules.entrants
    names = (before + digits + after, digits + after, before + digits, digits)
    for name in names:
        if name in rules.asked:
            usual = max(ASKED_SHARE, event.share_of(number))
            return Named(rules.asked[name], usual, _listed(name, entrants), alone, year=False)
        if rules.format is None and entrants is not None and name in entrants:
            usual = max(ENTRANT_SHARE, event.share_of(number))
            return Named(name, usual, _listed(name, entrants), alone, digits in event.years)
    if rules.format is not None:
        formal = next((name for name in names if rules.format.fullmatch(name)), None)
        return None if formal is None else Named(formal, ASKED_SHARE, _listed(formal, entrants), alone, year=False)
    name = event.name_of(number)
    year = digits in event.years or (is_year(digits) and not event.reaches_years)
    return Named(name, max(event.share_of(number), LEAST), _listed(name, entrants), alone, year)


def _listed(bib: str, entrants: StartList | None) -> float:
    """Bayes' factor of the start list: a bib is on it but for a few; any other text meets it only by chance."""
    if entrants is None:
        return 1.0
    met = entrants.density(bib)
    return (1 - UNLISTED) / max(met, LEAST) if bib in entrants else UNLISTED / max(1 - met, LEAST)
