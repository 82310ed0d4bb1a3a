"""The command that trains the embedded engine's own small network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bibwatch.cli.notebooks import TRAIN_PACKAGES
from bibwatch.cli.options import device_option, force_option
from bibwatch.cli.show import counting
from bibwatch.config.faults import missing_packages
from bibwatch.errors import ExtraMissing
from bibwatch.evaluate.manifest import read_manifest
from bibwatch.train.spotter.recipe import Recipe
from bibwatch.values import count_of

if TYPE_CHECKING:  # torch takes seconds to import
    from bibwatch.train.spotter.run import Run
    from bibwatch.train.spotter.training import Training

OURS = Recipe()  # that the package's own network was made by
PACKAGES = (*TRAIN_PACKAGES, "onnx", "onnxscript")


@click.command()
@click.argument("photos", type=click.Path(path_type=Path, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--views", type=click.IntRange(1), default=OURS.views, show_default=True, help="Pieces of photos shown.")
@click.option("--batch", type=click.IntRange(1), default=OURS.batch, show_default=True, help="Pieces a step.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=OURS.seed,
    show_default=True,
    help="Decides the split, the first weights and the pieces.",
)
@click.option(
    "--labelled",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A manifest, as for `eval`, beside its photos: these are refused, whatever their names.",
)
@click.option("--resume", is_flag=True, help="Go on where an earlier run to the same OUT ended.")
@device_option
@force_option
def train_spotter(  # noqa: PLR0913, PLR0917  # one for each option
    photos: Path,
    out: Path,
    views: int,
    batch: int,
    seed: int,
    labelled: Path | None,
    resume: bool,
    device: str,
    force: bool,
) -> None:
    """Train the small network that says where bib numbers may be, on the photos in PHOTOS, and write it to OUT.

    Nobody needs to label them: what the engine's large detector and its recogniser see is what the small network
    learns, from a file lines.json beside the photos or, where there is none, read first. A fifth of the photos is kept
    to measure on. Photos take memory: 12 MB each at 2,048 pixels, as which larger ones are kept. Beside OUT (.onnx):
    the same in eight-bit numbers (_int8.onnx), the curves (.png), a report (.json), what the large detector read
    (.lines.json), and what --resume needs (.resume.pt). The package's own network is made so.

    \b
    Example:  bibwatch train-spotter photos spotter.onnx
              bibwatch train-spotter photos spotter.onnx --resume
    """
    if missing := missing_packages(PACKAGES):
        raise ExtraMissing(f"train-spotter needs {missing}, not installed here: pip install 'bibwatch[train]'")
    from bibwatch.train.spotter.run import Outputs, Run, Wish

    kept_apart = [labelled.parent / photo.file for photo in read_manifest(labelled)] if labelled else []
    Outputs(out).must_be_new(force=force or resume)
    run = Run(Outputs(out), Wish(photos, kept_apart, device, Recipe(views, batch, seed=seed)), resume=resume)
    try:
        training = _begun(run)
        _follow(run, training)
    except KeyboardInterrupt:
        kept = f"; --resume goes on after {run.kept_views} of {views} views" if run.kept_views else ""
        click.echo(f"\nstopped by hand{kept}")
        return
    with counting("writing the networks"):
        whole, in_bytes = run.finish(training)
    told = f"finds {whole.recall:.3f} of {whole.numbers} numbers, in bytes {in_bytes.recall:.3f}"
    click.echo(f"{out}: {told}; that one, curves and report beside it")


def _begun(run: Run) -> Training:
    """The training, once its photos are read and decoded."""
    if untaught := run.untaught:
        click.echo(f"the large detector reads {count_of(len(untaught), 'photo')} first, about one a second")
        with counting("reading the photos' lines") as tell:
            run.teach(tell)
    with counting("decoding photos") as tell:
        training = run.begin(tell)
    click.echo(f"{len(run.learned_from)} photos to learn from, {len(run.held_out)} to measure on, on {run.device}")
    return training


def _follow(run: Run, training: Training) -> None:
    """A bar until the next measurement, then a line."""
    while not training.is_over:
        with counting(f"part {len(training.history) + 1} of {training.recipe.reports}") as tell:
            report = training.until_next_report(tell)
        run.keep(training)
        click.echo(
            f"{report.views} views: loss {report.loss:.3f}, finds {report.found.recall:.3f} of {report.found.numbers} "
            f"numbers with {report.found.boxes_a_photo:.1f} boxes a photo"
        )
