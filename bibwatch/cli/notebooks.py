"""The commands that the notebooks become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bibwatch.cli.options import config_option, device_option, force_option
from bibwatch.cli.show import counting
from bibwatch.config import load_config
from bibwatch.config.faults import missing_packages
from bibwatch.errors import ExtraMissing, TrainingError
from bibwatch.files import must_be_new
from bibwatch.train.recipe import Recipe
from bibwatch.values import count_of

if TYPE_CHECKING:  # torch takes seconds to import
    from bibwatch.train.run import Run

NOTEBOOK = Recipe()  # that the notebook trains by
TRAIN_PACKAGES = ("torch", "torchvision", "torchmetrics", "pycocotools", "matplotlib")
a_file = click.Path(path_type=Path, dir_okay=False)
a_folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("file", type=a_file)
@config_option
@force_option
def export_csv(file: Path, config_path: Path, force: bool) -> None:
    """Write the readings to FILE, in the columns of the notebook's images_dossard_labels.csv.

    \b
    Example:  bibwatch export-csv images_dossard_labels.csv
    """
    from bibwatch.service.labels import export_labels

    must_be_new(file, force=force)
    rows = export_labels(load_config(config_path, need_folders=False, need_engine=False), file)
    click.echo(f"{count_of(rows, 'row')} in {file}")


@click.command()
@click.argument("file", type=a_file)
@config_option
@click.option("--replace", is_flag=True, help="Forget all that was imported before, also for other photos.")
def import_csv(file: Path, config_path: Path, replace: bool) -> None:
    """Take the rows of the notebook's CSV in FILE as readings of the photos they name.

    These photos are not read by an engine any more. Photos are found by name in the watched folders; importing again
    replaces what was imported for the same photos. A running service must be stopped first.

    \b
    Example:  bibwatch import-csv images_dossard_labels.csv
              bibwatch link
    """
    from bibwatch.service.labels import import_labels

    with counting("reading photos") as tell:
        imported = import_labels(load_config(config_path, need_engine=False), file, tell, replace=replace)
    for problem in imported.problems:
        click.echo(f"bibwatch: {problem}", err=True)
    click.echo(
        f"{imported.kept} of {count_of(imported.rows, 'row')} taken, for {count_of(imported.photos, 'photo')}; "
        f"{count_of(imported.unnamed, 'photo')} in the watched folders without a row"
    )
    click.echo("`bibwatch link` makes the links; `bibwatch run` and `scan` read the photos without a row")


@click.command()
@click.argument("csv", type=a_file)
@click.argument("out", type=a_folder)
@force_option
def convert_vgg(csv: Path, out: Path, force: bool) -> None:
    """Write the rectangles in a CSV of VGG Image Annotator to a text file a photo, in the folder OUT.

    Each line is one dossard: x1,y1,x2,y2 in pixels. What is no rectangle is reported with its line.

    \b
    Example:  bibwatch convert-vgg via_export_csv.csv boxes
    """
    from bibwatch.train.convert import convert_vgg as convert

    converted = convert(csv, out, force=force)
    for problem in converted.problems:
        click.echo(f"bibwatch: {problem}", err=True)
    boxes = "1 box" if converted.boxes == 1 else f"{converted.boxes} boxes"
    click.echo(f"{count_of(converted.files, 'file')} with {boxes} in {out}")


@click.command()
@click.argument("images", type=a_folder)
@click.argument("boxes", type=a_folder)
@click.argument("out", type=a_file)
@click.option(
    "--size", type=click.IntRange(32, 4000), default=NOTEBOOK.size, show_default=True, help="Pixels of a side."
)
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Times over all photos.")
@click.option("--batch", type=click.IntRange(1), default=NOTEBOOK.batch, show_default=True, help="Photos a step.")
@click.option(
    "--seed", type=int, default=NOTEBOOK.seed, show_default=True, help="Decides the split, the order and the flips."
)
@click.option("--init", metavar="coco|none|FILE", default="coco", show_default=True, help="Weights to begin with.")
@click.option("--resume", is_flag=True, help="Go on where an earlier run to the same OUT ended.")
@device_option
@force_option
def train(  # noqa: PLR0913, PLR0917  # one for each option
    images: Path,
    boxes: Path,
    out: Path,
    size: int,
    epochs: int,
    batch: int,
    seed: int,
    init: str,
    resume: bool,
    device: str,
    force: bool,
) -> None:
    """Train the detector of engine dossard on the photos in IMAGES, and write its weights to OUT.

    BOXES holds a text file for each photo, as `bibwatch convert-vgg` writes them. Four fifths of the photos are
    trained on, one fifth validates; the weights of the epoch with the lowest validation loss are kept, also when
    Ctrl-C ends it. Beside OUT: the curves (.losses.png), validation photos with boxes (.validation.png), a report
    (.json), and what --resume needs (.resume.pt).

    \b
    Example:  bibwatch train photos boxes dossard.pt
              bibwatch train photos boxes dossard.pt --epochs 40 --resume
              then, in config.yaml:  reader: {dossard: {weights: dossard.pt}}
    """
    if missing := missing_packages(TRAIN_PACKAGES):
        raise ExtraMissing(f"train needs {missing}, not installed here: pip install 'bibwatch[train]'")
    from bibwatch.train.run import Outputs, Run, Wish

    Outputs(out).must_be_new(force=force or resume)
    run = Run(Outputs(out), Wish(images, boxes, init, device, Recipe(size, batch, seed)), resume=resume)
    click.echo(f"{len(run.train)} photos to train on, {len(run.validation)} to validate on, on {run.device}")
    try:
        _follow(run, epochs)
    except KeyboardInterrupt:
        click.echo("\nstopped by hand")
    except TrainingError:
        if run.training.history:
            _finish(run)
        raise
    _finish(run)


def _finish(run: Run) -> None:
    """Keep the best so far, and say so."""
    best = run.finish()
    text = f"the weights of epoch {best.number}, AP50 {best.ap50:.3f}; curves, photos and report beside it"
    click.echo(f"{run.outputs.weights}: {text}")


def _follow(run: Run, epochs: int) -> None:
    """A bar while an epoch runs, a line when it has ended."""
    with counting("decoding photos") as tell:
        run.prepare(tell)
    while len(run.training.history) < epochs:
        with counting(f"epoch {len(run.training.history) + 1} of {epochs}") as tell:
            epoch = run.next_epoch(tell)
        mark = ", best so far" if epoch.best else ""
        click.echo(
            f"epoch {epoch.number}: loss {epoch.train_loss:.3f}, validation {epoch.validation_loss:.3f}{mark}, "
            f"AP50 {epoch.ap50:.3f}, rate {epoch.rate:g}"
        )
