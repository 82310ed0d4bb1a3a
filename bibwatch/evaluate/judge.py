"""What the readings of labelled photos are decided to be, against what is in them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bibwatch.evaluate.manifest import LabelledPhoto
from bibwatch.match.bursts import inferred_bibs
from bibwatch.match.decide import MAYBE, Match, Rules, is_accepted, matches
from bibwatch.match.event import Event, SeenText, learn
from bibwatch.values import MOST_IN_BURST, Reading, ReadPhoto

BINS = 10  # of the reliability table


@dataclass(frozen=True, slots=True)
class Judged:
    """One photo, with every bib that its readings may mean."""

    photo: LabelledPhoto
    readings: tuple[Reading, ...]
    matches: Mapping[str, Match]  # but for those that are ambiguous
    found: frozenset[str]  # those of them that are accepted

    @property
    def source(self) -> str:
        """The event that the photo comes from."""
        return self.photo.source

    @property
    def wrong(self) -> frozenset[str]:
        """Bibs accepted that are not there."""
        return self.found - self.photo.bibs

    @property
    def missed(self) -> frozenset[str]:
        """Bibs that are there and were not accepted."""
        return self.photo.bibs - self.found


Some = TypeVar("Some", LabelledPhoto, Judged)


@dataclass(frozen=True, slots=True)
class Counts:
    """Pairs of photo and bib, counted."""

    photos: int
    bibs: int
    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """The share of what was accepted that is there; 1 where nothing was."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """The share of what is there that was accepted; 1 where nothing is."""
        return _share(self.true_positives, self.bibs)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return _share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


@dataclass(frozen=True, slots=True)
class Bin:
    """The bibs of about one probability."""

    bibs: int
    probability: float  # their mean
    right: float  # the share of them that is there


def judge(photos: Sequence[LabelledPhoto], read: Mapping[str, ReadPhoto], rules: Rules) -> list[Judged]:
    """Every photo, decided as a service would that watched the photos of its source."""
    judged = []
    for of_source in by_source(photos).values():
        event = event_of(of_source, read)
        learned = replace(rules, bibs=replace(rules.bibs, event=event))
        for photo in of_source:
            seen = read[photo.file]
            clear = {bib: m for bib, m in matches(seen.readings, learned).items() if bib not in photo.ambiguous}
            found = {bib for bib, match in clear.items() if is_accepted(match, learned)}
            burst = _burst_of(seen, (read[other.file] for other in of_source), rules.burst_s)
            found |= inferred_bibs(seen, burst, learned).keys() & clear.keys()
            judged.append(Judged(photo, seen.readings, clear, frozenset(found)))
    return judged


def _burst_of(photo: ReadPhoto, others: Iterable[ReadPhoto], burst_s: float | None) -> Sequence[ReadPhoto]:
    """The photos that one camera took within so many seconds; none where they are more than a burst has."""
    shot = photo.shot
    if burst_s is None or shot is None:
        return ()
    taken = [(other, other.shot) for other in others if other.shot and other.shot.camera == shot.camera]
    burst = [other for other, its_shot in taken if abs(its_shot.at - shot.at) <= burst_s]
    return burst if len(burst) <= MOST_IN_BURST else ()


def by_source(photos: Iterable[Some]) -> dict[str, list[Some]]:
    """The photos by the event that they come from."""
    sources: dict[str, list[Some]] = defaultdict(list)
    for photo in photos:
        sources[photo.source].append(photo)
    return dict(sources)


def event_of(photos: Sequence[LabelledPhoto], read: Mapping[str, ReadPhoto]) -> Event:
    """What the readings of these photos show of their event."""
    seen = (
        SeenText(photo.file, reading.text, reading.score, reading.detection_score)
        for photo in photos
        for reading in read[photo.file].readings
    )
    return learn(seen, len(photos))


def tally(judged: Iterable[Judged]) -> Counts:
    """Count right, wrong and missed bibs."""
    counted = list(judged)
    bibs = sum(len(one.photo.bibs) for one in counted)
    wrong = sum(len(one.wrong) for one in counted)
    missed = sum(len(one.missed) for one in counted)
    return Counts(len(counted), bibs, bibs - missed, wrong, missed)


def reliability(judged: Iterable[Judged]) -> list[Bin]:
    """How many of the bibs of about one probability are there, from the least that people hear of upwards."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for one in judged:
        for bib, match in one.matches.items():
            if match.probability >= MAYBE:
                bins[min(BINS - 1, int(match.probability * BINS))].append((match.probability, bib in one.photo.bibs))
    return [
        Bin(len(pairs), sum(p for p, _ in pairs) / len(pairs), sum(right for _, right in pairs) / len(pairs))
        for _, pairs in sorted(bins.items())
    ]


def expected_calibration_error(bins: Iterable[Bin]) -> float:
    """The mean distance between what was promised and what was right, over all bibs (Naeini et al., 2015)."""
    all_bins = list(bins)
    bibs = sum(one.bibs for one in all_bins)
    return sum(one.bibs * abs(one.probability - one.right) for one in all_bins) / bibs if bibs else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
