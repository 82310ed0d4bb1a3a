"""What the link tree should hold: a pure function of readings, corrections and config."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from bibwatch.match.distance import within
from bibwatch.match.folder import folder_name
from bibwatch.match.naming import BibRules
from bibwatch.match.weigh import HOPELESS, candidates
from bibwatch.values import Correction, Reading, ReadPhoto, Targets

MAYBE = 0.1  # the least probable bib that a person may want to hear of


@dataclass(frozen=True, slots=True)
class Rules:
    """How readings become bibs, and which bibs get a folder."""

    targets: Targets
    max_distance: float
    min_score: float  # 0..1; a reading below it is no bib
    accept: float  # 0..1; a bib less probable is a maybe
    accept_told: float  # 0..1; and one of an engine that tells no more than a score
    folder: str  # name of a bib's folder, with {bib} in it, and perhaps {name}
    bibs: BibRules = BibRules()
    burst_s: float | None = None  # that photos of one camera lie apart which help each other; None: none do


class Match(NamedTuple):
    """A bib that a photo may show, as its best reading has it."""

    bib: str
    probability: float  # 0..1
    reading: Reading


@dataclass(frozen=True, slots=True)
class Decided:
    """A photo, the bibs that it is taken to show, and those that it only may show."""

    photo: ReadPhoto
    bibs: frozenset[str]
    seen: tuple[Match, ...]  # of these bibs, where they were read
    maybes: tuple[Match, ...]  # the likeliest first


def decided(photo: ReadPhoto, rules: Rules, inferred: Collection[str] = ()) -> Decided:
    """What a photo shows, whatever the targets are; `inferred` are bibs that other photos speak for."""
    found = matches(photo.readings, rules)
    accepted = [bib for bib, match in found.items() if is_accepted(match, rules)]
    bibs = corrected(accepted, words_about(photo, rules))
    shown = bibs | frozenset(inferred) | near_targets(photo, bibs, rules).keys()
    maybes = [match for bib, match in _maybes(photo, rules, found).items() if bib not in shown]
    likeliest_first = tuple(sorted(maybes, key=lambda match: (-match.probability, match.bib)))
    return Decided(photo, shown, tuple(found[bib] for bib in sorted(shown) if bib in found), likeliest_first)


def bibs_of(photo: ReadPhoto, rules: Rules, only: Container[str] | None = None) -> frozenset[str]:
    """The bibs accepted in a photo: its readings', all or only these, as the corrections leave them."""
    return corrected(read_bibs(photo.readings, rules, only), words_about(photo, rules))


def spoken_of(photo: ReadPhoto, rules: Rules) -> set[str]:
    """The bibs of a photo that a person has said anything about."""
    return {bib for word in words_about(photo, rules) for bib in word.bibs}


def words_about(photo: ReadPhoto, rules: Rules) -> Iterator[Correction]:
    """What people said of a photo, oldest first, with bibs written as the targets have them."""
    asked = rules.bibs.asked
    for word in photo.corrections:
        yield replace(word, bibs=tuple(asked.get(bib.upper(), bib) for bib in word.bibs))


def maybes_of(photo: ReadPhoto, rules: Rules) -> dict[str, Match]:
    """The bibs that a photo may show, and that nobody has said anything about."""
    return _maybes(photo, rules, matches(photo.readings, rules))


def _maybes(photo: ReadPhoto, rules: Rules, found: Mapping[str, Match]) -> dict[str, Match]:
    if any(correction.kind == "set" for correction in photo.corrections):
        return {}  # a person has named them all
    said = spoken_of(photo, rules)
    heard_of = {bib: match for bib, match in found.items() if match.probability >= MAYBE and bib not in said}
    return {bib: match for bib, match in heard_of.items() if not is_accepted(match, rules)}


def read_bibs(readings: Iterable[Reading], rules: Rules, only: Container[str] | None = None) -> dict[str, Match]:
    """Bib -> its match, of the bibs accepted."""
    found = matches(readings, rules, only, rules.accept)
    return {bib: match for bib, match in found.items() if is_accepted(match, rules)}


def matches(
    readings: Iterable[Reading], rules: Rules, only: Container[str] | None = None, least: float = HOPELESS
) -> dict[str, Match]:
    """Bib -> its likeliest match, of all bibs that the readings may mean, or only of these, or of the likelier ones."""
    best: dict[str, Match] = {}
    for reading in readings:
        if reading.score < rules.min_score:
            continue
        for bib, probability, _ in candidates(reading, rules.bibs, only, least):
            if bib not in best or probability > best[bib].probability:
                best[bib] = Match(bib, probability, reading)
    return best


def is_accepted(match: Match, rules: Rules) -> bool:
    """Probable enough, and nobody of whom it is known that they do not run."""
    least = rules.accept if match.reading.spellings else rules.accept_told
    return match.probability >= least and may_run(match.bib, rules)


def may_run(bib: str, rules: Rules) -> bool:
    """Whether a bib is on the start list, or is asked for, or nobody knows who runs."""
    entrants = rules.bibs.entrants
    name = bib.upper()
    return entrants is None or name in entrants or name in rules.bibs.asked


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


def wanted_bibs(photo: ReadPhoto, rules: Rules, inferred: Iterable[str] = ()) -> frozenset[str]:
    """The bibs whose folders want a link to this photo; `inferred` are bibs that other photos speak for."""
    targets = rules.targets.bibs
    if targets is None:
        return bibs_of(photo, rules) | frozenset(inferred)
    if rules.max_distance == 0:
        return (bibs_of(photo, rules, targets) | frozenset(inferred)) & targets
    bibs = bibs_of(photo, rules)
    return ((bibs | frozenset(inferred)) & targets) | near_targets(photo, bibs, rules).keys()


def near_targets(photo: ReadPhoto, bibs: frozenset[str], rules: Rules) -> dict[str, str]:
    """Target -> one of the photo's bibs within max_distance of it; that softens what was read, never what was said."""
    said = spoken_of(photo, rules)
    seen = sorted(bibs - said)
    near: dict[str, str] = {}
    for target in (rules.targets.bibs or frozenset()) - said if rules.max_distance else ():
        within_reach = next((bib for bib in seen if bib != target and within(bib, target, rules.max_distance)), None)
        if within_reach is not None:
            near[target] = within_reach
    return near


def wanted_links(
    photos: Iterable[ReadPhoto], rules: Rules, infer: Callable[[ReadPhoto], Iterable[str]] = lambda photo: ()
) -> dict[Path, Path]:
    """Link path (relative to the link root) -> photo path, for every match accepted, or inferred.

    Two photos of one name in one folder (two cameras' IMG_0001.JPG): the first by path keeps its name, the others
    get a few letters made from their path, so that a name depends on which photos there are and not on who came first.
    """
    rivals: dict[Path, list[Path]] = defaultdict(list)
    entrants = rules.bibs.entrants
    for photo in photos:
        for bib in wanted_bibs(photo, rules, infer(photo)):
            name = entrants.names.get(bib.upper(), "") if entrants else ""
            rivals[Path(folder_name(rules.folder, bib, name), photo.path.name)].append(photo.path)
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
