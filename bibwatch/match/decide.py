"""What the link tree should hold: a pure function of readings, corrections and config."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from bibwatch.match.bibs import bib_in
from bibwatch.match.distance import within
from bibwatch.values import Correction, Reading, ReadPhoto, Targets


@dataclass(frozen=True, slots=True)
class Rules:
    """How readings become bibs, and which bibs get a folder."""

    targets: Targets
    max_distance: float
    min_score: float  # 0..1; a reading below it is no bib
    folder: str  # name of a bib's folder, with {bib} in it


def bibs_of(photo: ReadPhoto, min_score: float, named: Container[str] = ()) -> frozenset[str]:
    """The bibs accepted in a photo: its readings', as the corrections leave them.

    `named` are bibs somebody asked for by name, which may hold letters.
    """
    return corrected(read_bibs(photo.readings, min_score, named), photo.corrections)


def read_bibs(readings: Iterable[Reading], min_score: float, named: Container[str] = ()) -> dict[str, Reading]:
    """Bib -> the best-scored reading that says it."""
    best: dict[str, Reading] = {}
    for reading in readings:
        bib = bib_in(reading.text, named) if reading.score >= min_score else None
        if bib is not None and (bib not in best or reading.score > best[bib].score):
            best[bib] = reading
    return best


def corrected(bibs: Iterable[str], corrections: Iterable[Correction]) -> frozenset[str]:
    """What a person's words, oldest first, make of the bibs that were read."""
    left = frozenset(bibs)
    for correction in corrections:
        named = frozenset(correction.bibs)
        match correction.kind:
            case "set":
                left = named
            case "add":
                left |= named
            case "remove":
                left -= named
    return left


def wanted_bibs(photo: ReadPhoto, rules: Rules) -> frozenset[str]:
    """The bibs whose folders want a link to this photo."""
    targets = rules.targets.bibs
    if targets is None:
        return bibs_of(photo, rules.min_score)
    bibs = bibs_of(photo, rules.min_score, targets)
    if rules.max_distance == 0:
        return bibs & targets
    # A distance softens what was read, never what a person said.
    said = {bib for correction in photo.corrections for bib in correction.bibs}
    near = {t for t in targets - said if any(within(bib, t, rules.max_distance) for bib in bibs - said)}
    return (bibs & targets) | near


def wanted_links(photos: Iterable[ReadPhoto], rules: Rules) -> dict[Path, Path]:
    """Link path (relative to the link root) -> photo path, for every accepted match.

    Two photos of one name in one folder (two cameras' IMG_0001.JPG): the first by path keeps its name, the others
    get a few letters made from their path, so that a name depends on which photos there are and not on who came first.
    """
    rivals: dict[Path, list[Path]] = defaultdict(list)
    for photo in photos:
        for bib in wanted_bibs(photo, rules):
            rivals[Path(rules.folder.format(bib=bib), photo.path.name)].append(photo.path)
    links: dict[Path, Path] = {}
    for plain, paths in rivals.items():
        first, *others = sorted(paths)
        links[plain] = first
        links.update({plain.with_name(distinct_name(path)): path for path in others})
    return links


def distinct_name(path: Path) -> str:
    """The photo's own name with a mark made from its whole path: IMG_0001~3f9a1c.JPG."""
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
    return f"{path.stem}~{mark}{path.suffix}"
