"""From one reading to the bibs it may mean, each with the probability that it is one."""

from __future__ import annotations

import math
import string
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bibwatch.match.evidence import Evidence, probability
from bibwatch.match.naming import LEAST, BibRules, Named
from bibwatch.values import UNKNOWN, Reading, Spelling

HOPELESS = 0.01  # a bib's share among those that a reading may mean, below which it is not told
DOUBTFUL = 0.3  # the most that the score of a number is believed that is the year on many photos
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
    weight: float  # of the spellings, each times how usual its form is, and the start list's factor
    alone: bool
    shared: float = 0.0  # the weight of the likeliest bib in each of these spellings, which is no rival


def candidates(
    reading: Reading, rules: BibRules, only: Container[str] | None = None, least: float = HOPELESS
) -> tuple[Candidate, ...]:
    """The bibs that a reading may mean, the likeliest first.

    `only` are those that somebody wants to know of, and `least` the least probability: bibs whose share of the reading
    is below that are passed over. A recogniser that tells only a text and its score is believed in that; otherwise the
    evidence is weighed.
    """
    if not reading.spellings:
        named = [one for one in rules.named_in(reading.text) if only is None or one.bib in only]
        years = rules.event.years
        return tuple(
            Candidate(one.bib, min(reading.score, DOUBTFUL) if one.year and one.bib in years else reading.score, None)
            for one in named
        )
    supports, total = _supports(reading.spellings, rules)
    found = []
    for bib, support in supports.items():
        if only is not None and bib not in only:
            continue
        chosen = support.weight / (support.weight + total - support.shared)
        if chosen >= least:
            evidence = _evidence(support, chosen, reading.detection_score)
            found.append(Candidate(bib, probability(evidence, rules.weights), evidence))
    return tuple(sorted(found, key=_likeliest_first))


def _likeliest_first(candidate: Candidate) -> float:
    return -candidate.probability


def _evidence(support: _Support, chosen: float, detection_score: float) -> Evidence:
    _, usual, listed, _, year = support.named
    spelled = math.log(max(support.spelled, LEAST))
    return Evidence(spelled, math.log(usual), math.log(chosen), detection_score, support.alone, year, math.log(listed))


def _supports(spellings: tuple[Spelling, ...], rules: BibRules) -> tuple[dict[str, _Support], float]:
    """What speaks for each bib, and what for all texts that name one: a text may name several."""
    supports: dict[str, _Support] = {}
    total = 0.0
    half_read = rules.entrants is not None and any(UNKNOWN in text for text, _ in spellings)
    for text, told in _whole(spellings) if half_read else spellings:
        spelled = max(told, FAINTEST)
        likeliest = 0.0
        found = rules.named_in(text)
        for named in found:
            bib, usual, listed, alone, _ = named
            weight = spelled * usual * listed
            likeliest = max(likeliest, weight)
            if (support := supports.get(bib)) is None:
                supports[bib] = _Support(named, spelled, weight, alone)
            else:
                support.spelled += spelled
                support.weight += weight
                support.alone |= alone
        total += likeliest
        for named in found:
            supports[named.bib].shared += likeliest
    return supports, total


def _whole(spellings: tuple[Spelling, ...]) -> Iterator[Spelling]:
    """The spellings; a digit that nobody could read may be any, which a start list can decide."""
    for spelling in spellings:
        yield spelling
        if spelling.text.count(UNKNOWN) == 1:
            for digit in string.digits:
                yield Spelling(spelling.text.replace(UNKNOWN, digit), spelling.probability / len(string.digits))
