"""What speaks for a bib in a reading, and how much each piece of it counts."""

import math
from typing import NamedTuple


class Weights(NamedTuple):
    """What each piece of evidence adds to the log odds that a number is a bib, and is this one."""

    start: float
    spelled: float  # times the log of the probability that the recogniser wrote it
    usual: float  # times the log of the share that its form has among the event's bibs
    chosen: float  # times the log of its share among the bibs that the reading may mean
    detected: float  # times the detection's score
    alone: float  # where the text holds nothing else
    year: float  # where it reads like a year
    listed: float = 1.0  # times the log of Bayes' factor of the start list


# Fitted on labelled photos by `make eval`; docs/accuracy.md has the figures for weights fitted without each source.
WEIGHTS = Weights(start=-4.4, spelled=1.2, usual=1.7, chosen=6.0, detected=6.2, alone=4.5, year=-6.6)


class Evidence(NamedTuple):
    """What speaks for a bib in a reading, in the order of the weights."""

    spelled: float
    usual: float
    chosen: float
    detected: float
    alone: bool
    year: bool
    listed: float = 0.0


def probability(evidence: Evidence, weights: Weights) -> float:
    """0..1, by logistic regression; no more than its share among the bibs that the reading may mean."""
    odds = (
        weights.start
        + weights.spelled * evidence.spelled
        + weights.usual * evidence.usual
        + weights.chosen * evidence.chosen
        + weights.detected * evidence.detected
        + weights.alone * evidence.alone
        + weights.year * evidence.year
        + weights.listed * evidence.listed
    )
    return min(1 / (1 + math.exp(-odds)), math.exp(evidence.chosen))
