"""From a recogniser's output, character by character, to the texts it may have meant. Pure.

A recogniser trained with CTC gives, for each step along a line, a probability for every character and for a blank. A
text's probability is the sum over all ways to write it: characters that repeat without a blank between them are one
(Graves et al., 2006).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from bibwatch.values import UNKNOWN, Spelling

BLANK = ""
CERTAIN_BLANK = 0.995  # a run of steps as empty as this is one step
LEAST = 0.001  # a character less probable than this at its step is left out
BEAM = 20  # texts followed at once
KEPT = 12  # spellings told of a line

Step = Sequence[tuple[str, float]]  # characters with their probabilities, BLANK and UNKNOWN among them


def spellings(steps: Iterable[Step]) -> tuple[Spelling, ...]:
    """The most probable texts, likeliest first, by prefix beam search."""
    beam = {"": (1.0, 0.0)}
    for step in steps:
        beam = dict(sorted(_grown(beam, step).items(), key=lambda entry: -sum(entry[1]))[:BEAM])
    together: dict[str, float] = defaultdict(float)
    for text, ends in beam.items():
        together[text.strip()] += min(1.0, sum(ends))
    likeliest = sorted((Spelling(*entry) for entry in together.items()), key=lambda spelling: -spelling.probability)
    return tuple(
        spelling for place, spelling in enumerate(likeliest[:KEPT]) if place == 0 or spelling.probability >= LEAST
    )


def steps(rows: Iterable[Sequence[float]], characters: Sequence[str]) -> Iterator[Step]:
    """The steps of one line: a row holds the blank's probability, then those of `characters`; the rest is UNKNOWN."""
    empty = False
    for row in rows:
        was_empty, empty = empty, row[0] > CERTAIN_BLANK
        if empty and was_empty:
            continue
        known = [(character, p) for character, p in zip((BLANK, *characters), row, strict=True) if p > LEAST]
        rest = 1 - sum(p for _, p in known)
        yield [*known, (UNKNOWN, rest)] if rest > 0.05 else known


def _grown(beam: dict[str, tuple[float, float]], step: Step) -> dict[str, tuple[float, float]]:
    """Text -> its probability with this step ending in a blank, and in its last character."""
    blank: dict[str, float] = defaultdict(float)
    written: dict[str, float] = defaultdict(float)
    for text, (ends_blank, ends_written) in beam.items():
        for character, p in step:
            if character == BLANK:
                blank[text] += (ends_blank + ends_written) * p
            elif text.endswith(character):
                written[text] += ends_written * p
                written[text + character] += ends_blank * p
            else:
                written[text + character] += (ends_blank + ends_written) * p
    return {text: (blank[text], written[text]) for text in blank | written}
