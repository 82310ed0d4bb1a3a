"""Why a reading means a bib, or none, in words."""

from collections.abc import Iterable, Iterator

from bibwatch.match.bibs import no_bib, numbers_in
from bibwatch.match.bursts import Inferred
from bibwatch.match.decide import MAYBE, Rules, bibs_of, may_run, maybes_of, words_about
from bibwatch.match.naming import BibRules
from bibwatch.match.weigh import Candidate, candidates
from bibwatch.values import Correction, Reading, ReadPhoto, shown

SHOWN_SPELLINGS = 4


def story_of(reading: Reading, rules: Rules) -> Iterator[str]:
    """What a reading is taken for, one line each."""
    if len(reading.spellings) > 1:
        others = ", ".join(f"{text!r} {p:.2f}" for text, p in reading.spellings[:SHOWN_SPELLINGS])
        yield f"spelled {others}"
    found = candidates(reading, rules.bibs)
    heard_of = [candidate for candidate in found if candidate.probability >= MAYBE]
    if reading.score < rules.min_score:
        yield f"no bib: its score {reading.score:.2f} is below reader.min_score {rules.min_score:.2f}"
    elif not found:
        yield f"no bib: {_why_none(reading.text, rules)}"
    else:
        yield from (_told(candidate, rules) for candidate in heard_of or found[:1])


def fate_of(bib: str, photo: ReadPhoto, rules: Rules) -> str:
    """Whether a photo is linked for a bib, and by what rule."""
    added = _last_word(bib, words_about(photo, rules))
    if bib not in bibs_of(photo, rules):
        near = bib in maybes_of(photo, rules)
        return f"not linked: {added}" if added else "a maybe, not linked" if near else "not linked: not seen surely"
    origin = added or "seen"
    targets = rules.targets.bibs
    if targets is None or bib in targets:
        return f"wanted: {origin}"
    return f"not linked: {origin}, but not among the targets"


def inferred_fate(bib: str, inferred: Inferred, photo: ReadPhoto, rules: Rules) -> str:
    """Whether a photo is linked for a bib that another one speaks for, and which one that is."""
    assert photo.shot is not None  # both are shots of one burst
    assert inferred.source.shot is not None
    apart_s = abs(photo.shot.at - inferred.source.shot.at)
    origin = f"doubtful here, sure at a similar place in {shown(inferred.source.path)}, {apart_s:.1f} s apart"
    if rules.targets.bibs is None or bib in rules.targets.bibs:
        return f"wanted: {origin}"
    return f"not linked: {origin}, but not among the targets"


def _told(candidate: Candidate, rules: Rules) -> str:
    least = rules.accept_told if candidate.evidence is None else rules.accept
    accepted = "accepted" if candidate.probability >= least else "not accepted"
    accepted += f" (from {least:.2f})"
    if not may_run(candidate.bib, rules):
        accepted = "not accepted (not on the start list)"
    if candidate.bib in rules.bibs.event.years:
        accepted += ", the year on many photos"
    if candidate.evidence is None:
        return f"{candidate.bib}: {candidate.probability:.2f}, {accepted}: as the engine says"
    weights = rules.bibs.weights
    weighed = zip(weights._fields[1:], weights[1:], candidate.evidence, strict=True)
    parts = ", ".join(f"{name} {weight * value:+.1f}" for name, weight, value in weighed if weight * value)
    return f"{candidate.bib}: {candidate.probability:.2f}, {accepted}; log odds {weights.start:+.1f}, {parts}"


def _why_none(text: str, rules: Rules) -> str:
    return next(_reasons_for_none(text, rules.bibs))


def _reasons_for_none(text: str, rules: BibRules) -> Iterator[str]:
    """Every reason why a text names no bib, the plainest first."""
    if kind := no_bib(text):
        yield f"it reads like {kind}"
    numbers = numbers_in(text)
    if not numbers:
        yield "a word, or more digits than a bib has"
    if all(not rules.min_digits <= len(number.digits) <= rules.max_digits for number in numbers):
        yield f"a bib has {rules.min_digits} to {rules.max_digits} digits (bibs.min_digits, bibs.max_digits)"
    for number in numbers:
        names = (number.before + number.digits + number.after, number.digits)
        if ignored := next((name for name in names if name in rules.ignore), None):
            yield f"{ignored} stands in bibs.ignore"
    if rules.format is not None:
        yield f"it has not the form bibs.format {rules.format.pattern!r}"
    yield "none of its spellings names a bib"


def _last_word(bib: str, corrections: Iterable[Correction]) -> str | None:
    """What a person said of a bib, if anything; the last word counts."""
    word = None
    for correction in corrections:
        if bib in correction.bibs:
            word = "a person removed it" if correction.kind == "remove" else "a person said so"
        elif correction.kind == "set":
            word = f"a person said the bibs are {', '.join(correction.bibs) or 'none'}"
    return word
