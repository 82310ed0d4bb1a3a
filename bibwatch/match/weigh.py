"""From one reading to the bibs it may mean, each with the probability that it is one."""

from __future__ import annotations

import math
import string
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bibwatch.match.bibs import is_number
from bibwatch.match.evidence import Evidence, probability
from bibwatch.match.naming import LEAST, BibRules, Named
from bibwatch.match.startlist import StartList
from bibwatch.values import UNKNOWN, Reading, Spelling

HOPELESS = 0.01  # a bib's share among those that a reading may mean, below which it is not told
DOUBTFUL = 0.3  # the most that the score of a number is believed that is the year on many photos
HALF_READ = 0.05  # a spelling's probability, below which the ten digits that may complete it are no more than guesses
FAINTEST = 1e-9  # a spelling's probability; what was stored of a fainter one may be nothing


class Candidate(NamedTuple):
    """A bib that a reading may mean."""

    bib: str
    probability: float  # 0..1
    evidence: Evidence | None  # None where the engine tells no more than a text and its score


@dataclass(slots=True)
class _Support:
    """The spellings of a reading that name one bib, taken together."""

    named: Named
    spelled: float
    weight: float  # of the spellings, each times what the bib is worth
    beside: float  # that of the likeliest bib in each of these spellings, which is no rival
    alone: bool


def candidates(
    reading: Reading, rules: BibRules, only: Container[str] | None = None, least: float = HOPELESS
) -> tuple[Candidate, ...]:
    """The bibs that a reading may mean, the likeliest first.

    `only` are those that somebody wants to know of, and `least` the least probability: bibs whose share of the reading
    is below that are passed over. A recogniser that tells only a text and its score is believed in that; otherwise the
    evidence is weighed.
    """
    if not reading.spellings:
        named = [one for one in rules.named[reading.text] if not one.barred and (only is None or one.bib in only)]
        years = rules.event.years
        return tuple(
            Candidate(one.bib, min(reading.score, DOUBTFUL) if one.year and one.bib in years else reading.score, None)
            for one in named
        )
    spellings, entrants = reading.spellings, rules.entrants
    if entrants is not None:
        half_read = [one for one in spellings if UNKNOWN in one[0] and one[1] >= HALF_READ]
        spellings = (*spellings, *_completed(half_read, entrants)) if half_read else spellings
    if only is not None and not any(named.bib in only for text, _ in spellings for named in rules.named[text]):
        return ()  # as nearly all readings, where few bibs are wanted
    supports, total = _supports(spellings, rules)
    found = []
    for bib, support in supports.items():
        chosen = support.weight / (support.weight + total - support.beside)
        if chosen >= least and not support.named.barred and (only is None or bib in only):
            evidence = _evidence(support, chosen, reading.detection_score)
            found.append(Candidate(bib, probability(evidence, rules.weights), evidence))
    found.sort(key=_likeliest_first)
    return tuple(found)


def _likeliest_first(candidate: Candidate) -> float:
    return -candidate.probability


def _evidence(support: _Support, chosen: float, detection_score: float) -> Evidence:
    _, usual, worth, _, year, _ = support.named
    spelled = math.log(max(support.spelled, LEAST))
    listed = math.log(worth / usual)
    return Evidence(spelled, math.log(usual), math.log(chosen), detection_score, support.alone, year, listed)


def _supports(spellings: tuple[Spelling, ...], rules: BibRules) -> tuple[dict[str, _Support], float]:
    """What speaks for each bib, and what for all texts that name one: a text may name several."""
    supports: dict[str, _Support] = {}
    total = 0.0
    for text, told in spellings:
        found = rules.named[text]
        if not found:
            continue
        spelled = told if told > FAINTEST else FAINTEST
        likeliest = spelled * found[0].worth
        total += likeliest
        for named in found:
            bib, _, worth, alone, *_ = named
            if (support := supports.get(bib)) is None:
                supports[bib] = _Support(named, spelled, spelled * worth, likeliest, alone)
            else:
                support.spelled += spelled
                support.weight += spelled * worth
                support.beside += likeliest
                support.alone |= alone
    return supports, total


def _completed(half_read: Iterable[Spelling], entrants: StartList) -> Iterator[Spelling]:
    """Spellings with a digit that nobody could read, each with any that makes the number of somebody who runs."""
    for text, told in half_read:
        before, *after = text.split(UNKNOWN)
        if len(after) == 1:
            texts = [before + digit + after[0] for digit in string.digits]
            fitting = [text for text in texts if text in entrants] if is_number(texts[0]) else texts
            yield from (Spelling(text, told / len(texts)) for text in fitting)
