"""What `make eval` prints: how right the bibs are on the labelled photos, and how weights fitted without a source do.

Everything is computed from one reading of each photo: without a start list, with one made of the source's bibs and ten
times as many others, and for each source with the weights of the evidence fitted on all other sources.
"""

import argparse
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bibwatch.cli.evaluate import read_photos
from bibwatch.cli.options import defaults
from bibwatch.evaluate.judge import (
    Bin,
    Judged,
    by_source,
    event_of,
    expected_calibration_error,
    judge,
    reliability,
    tally,
)
from bibwatch.evaluate.manifest import LabelledPhoto, read_manifest
from bibwatch.match.decide import Rules
from bibwatch.match.event import Event
from bibwatch.match.evidence import WEIGHTS, Evidence, Weights
from bibwatch.match.startlist import StartList, start_list
from bibwatch.match.weigh import candidates
from bibwatch.service.setup import ACCEPT_LISTED, rules
from bibwatch.values import ReadPhoto
from tests.support import SHARED

RIDGE = 0.003  # of the squared, standardised weights for each bib that they are fitted on
OTHERS = 10  # times as many entrants that are in no photo
SEEDS = range(40)

Readings = Mapping[str, ReadPhoto]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, help="draw the reliability here (PNG)")
    plot = parser.parse_args().plot
    photos = read_manifest(SHARED / "photos" / "manifest.csv")
    seen, seconds = read_photos(photos, SHARED / "photos", defaults())
    plain = rules(defaults(), Event())
    judged = judge(photos, seen, plain)
    print(f"{seconds:.2f} s a photo in one of two reading processes\n")
    weights = fitted(photos, seen)
    print("weights of the package", json.dumps(WEIGHTS._asdict()))
    print("weights fitted now    ", json.dumps(weights._asdict()), "\n")
    without_each = without_a_source(photos, seen, plain)
    by_list = [with_start_lists(photos, seen, plain, seed) for seed in SEEDS]
    listed = [one for of_list in by_list for one in of_list]
    print(table(judged, without_each, listed))
    counts = [tally(of_list) for of_list in by_list]
    for name, shares in (("precision", [one.precision for one in counts]), ("recall", [one.recall for one in counts])):
        print(f"{name} of single start lists: {min(shares):.3f} to {max(shares):.3f}")
    for name, of in (
        ("no start list", judged),
        ("weights fitted on other sources", without_each),
        ("start list", listed),
    ):
        print(f"expected calibration error, {name}: {expected_calibration_error(reliability(of)):.3f}")
    print()
    for one in reliability(judged):
        print(f"told {one.probability:.2f}, right {one.right:.2f}, {one.bibs} bibs")
    if plot is not None:
        draw(reliability(judged), reliability(without_each), plot)


def table(judged: Sequence[Judged], without_each: Sequence[Judged], listed: Sequence[Judged]) -> str:
    """Precision, recall and F1 of each source in the three ways, as Markdown."""
    lines = [
        "| source | photos | bibs | precision, recall, F1 | fitted on the others | with a start list |",
        "|---|---|---|---|---|---|",
    ]
    for source in (*by_source(one.photo for one in judged), None):
        three = [
            tally(one for one in way if source in (None, one.photo.source)) for way in (judged, without_each, listed)
        ]
        shares = " | ".join(f"{one.precision:.3f}, {one.recall:.3f}, {one.f1:.3f}" for one in three)
        lines.append(f"| {source or '**all**'} | {three[0].photos} | {three[0].bibs} | {shares} |")
    return "\n".join(lines) + "\n"


def with_start_lists(photos: Sequence[LabelledPhoto], seen: Readings, plain: Rules, seed: int) -> list[Judged]:
    """Each source with a start list of its own bibs and many others of the same form."""
    judged = []
    for source, of_source in by_source(photos).items():
        entrants = made_up(source, of_source, seed)
        judged += judge(
            of_source, seen, replace(plain, accept=ACCEPT_LISTED, bibs=replace(plain.bibs, entrants=entrants))
        )
    return judged


def made_up(source: str, photos: Iterable[LabelledPhoto], seed: int) -> StartList:
    """The source's bibs and ten times as many others of the same form, as far as there are so many."""
    chance = random.Random(f"{source} {seed}")
    there = sorted({bib for photo in photos for bib in photo.bibs})
    letters = sorted({character for bib in there for character in bib if character.isalpha()})
    entrants = set(there)
    for _ in range(1000 * len(there)):
        if len(entrants) >= (OTHERS + 1) * len(there):
            break
        form = chance.choice(there)
        other = "".join(str(chance.randrange(10)) if c.isdigit() else chance.choice(letters) for c in form)
        if not re.match("0", other):
            entrants.add(other)
    return start_list(dict.fromkeys(sorted(entrants), ""))


def without_a_source(photos: Sequence[LabelledPhoto], seen: Readings, plain: Rules) -> list[Judged]:
    """Each source, decided with weights fitted on all others."""
    judged = []
    for source, of_source in by_source(photos).items():
        weights = fitted([photo for photo in photos if photo.source != source], seen)
        judged += judge(of_source, seen, replace(plain, bibs=replace(plain.bibs, weights=weights)))
    return judged


def fitted(photos: Sequence[LabelledPhoto], seen: Readings) -> Weights:
    """Weights by logistic regression with a ridge, on the bib that takes the largest share of each reading."""
    plain = rules(defaults(), Event())
    evidence: list[Evidence] = []
    right: list[bool] = []
    for of_source in by_source(photos).values():
        bibs = replace(plain.bibs, event=event_of(of_source, seen))
        for photo in of_source:
            best: dict[str, Evidence] = {}
            for reading in (reading for reading in seen[photo.file].readings if reading.score >= plain.min_score):
                found = [(bib, told) for bib, _, told in candidates(reading, bibs) if told is not None]
                for bib, told in sorted(found, key=lambda one: -one[1].chosen)[:1]:
                    if bib not in photo.ambiguous and (bib not in best or told.spelled > best[bib].spelled):
                        best[bib] = told
            evidence += best.values()
            right += [bib in photo.bibs for bib in best]
    columns = len(WEIGHTS) - 2  # without the start, and without the start list's factor, which is not fitted
    start, *slopes = regression(np.array(evidence, float)[:, :columns], np.array(right, float))
    return Weights(round(start, 1), *(round(slope, 1) for slope in slopes))


def regression(values: "np.ndarray", right: "np.ndarray") -> list[float]:
    """The start and the slopes of a logistic regression, by Newton's method on standardised values."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    inputs = np.column_stack([np.ones(len(values)), (values - mean) / spread])
    ridge = RIDGE * len(values) * np.array([0.0] + [1.0] * values.shape[1])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        told = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (told - right) + ridge * weights
        curve = (inputs * (told * (1 - told))[:, None]).T @ inputs + np.diag(ridge + 1e-9)
        weights -= np.linalg.solve(curve, slope)
    slopes = weights[1:] / spread
    return [float(weights[0] - slopes @ mean), *map(float, slopes)]


def draw(bins: Sequence[Bin], without_each: Sequence[Bin], path: Path) -> None:
    """The share of bibs that are right, against the probability told of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="as promised")
    for name, some in (("weights of the package", bins), ("fitted on the other sources", without_each)):
        sizes = [12 + 6 * one.bibs**0.5 for one in some]
        axes.scatter([one.probability for one in some], [one.right for one in some], s=sizes, alpha=0.7, label=name)
    axes.set(
        xlabel="probability told of a bib", ylabel="share of bibs that are right", xlim=(0, 1.02), ylim=(-0.02, 1.05)
    )
    axes.legend(loc="upper left", frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
