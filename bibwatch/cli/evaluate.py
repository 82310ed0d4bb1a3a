"""The command that measures how right the bibs are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bibwatch.cli.options import as_json, config_option, config_or_defaults, reader_options
from bibwatch.cli.show import counting
from bibwatch.config import Config, with_reader
from bibwatch.errors import BibwatchError, ConfigError, PhotoError
from bibwatch.files import whole_file
from bibwatch.values import ReadPhoto, shown

if TYPE_CHECKING:
    from bibwatch.evaluate.judge import Counts, Judged
    from bibwatch.evaluate.manifest import LabelledPhoto

COLUMNS = (20, 7, 6, 7, 7, 8, 11, 8, 7)  # characters
TITLES = ("source", "photos", "bibs", "right", "wrong", "missed", "precision", "recall", "F1")


@click.command("eval")
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--photos", "folder", required=True, type=click.Path(path_type=Path), help="The folder of the photos.")
@click.option("--source", "sources", multiple=True, help="Only the photos of this source; may be given again.")
@click.option("--start-list", type=click.Path(path_type=Path), help="Who runs, whatever a config says.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page of what was wrong here.")
@config_option
@reader_options
@as_json
def evaluate(  # noqa: PLR0913, PLR0917  # one for each option
    manifest: Path,
    folder: Path,
    sources: tuple[str, ...],
    start_list: Path | None,
    html: Path | None,
    config_path: Path,
    engine: str | None,
    device: str | None,
    json_wanted: bool,
) -> None:
    """Read the photos in MANIFEST and tell how many of their bibs are found.

    MANIFEST is a CSV with the columns file and bibs, parted by blanks, and perhaps ambiguous (doubtful numbers, which
    count neither way) and source (the event: what its bibs look like is learned from its own photos). No config is
    needed; where there is one, its keys reader, bibs, match and start_list count.

    \b
    Example:  bibwatch eval manifest.csv --photos photos
              bibwatch eval manifest.csv --photos photos --source lisbon --start-list lisbon.csv --html wrong.html
    """
    from bibwatch.evaluate.judge import judge, tally
    from bibwatch.evaluate.manifest import read_manifest
    from bibwatch.match.event import Event
    from bibwatch.service.setup import rules

    _must_be_there(folder, html)
    given = config_or_defaults(config_path, need_engine=engine is None and device is None)
    wanted = {"targets": None} | ({"start_list": start_list} if start_list else {})
    config = with_reader(given, engine, device).model_copy(update=wanted)
    try:
        decide = rules(config, Event())
    except ConfigError as error:
        if start_list is None:
            raise
        raise click.BadParameter("; ".join(error.problems), param_hint="--start-list") from error
    photos = [photo for photo in read_manifest(manifest) if not sources or photo.source in sources]
    if not photos:
        raise BibwatchError(f"{shown(manifest)}: no photo of source {' or '.join(sources)}")
    read, seconds = read_photos(photos, folder, config)
    judged = judge(photos, read, decide)
    if html is not None:
        from bibwatch.evaluate.page import page

        with whole_file(html) as file:
            file.write(page(judged, folder, tally(judged)).encode())
    click.echo(json.dumps(_as_json(judged, seconds)) if json_wanted else "\n".join(_lines(judged, seconds)))


def _must_be_there(folder: Path, html: Path | None) -> None:
    """Say at once what would fail after minutes of reading."""
    if not folder.is_dir():
        raise BibwatchError(f"{shown(folder)}: no such folder of photos")
    if html is not None and not html.absolute().parent.is_dir():
        raise BibwatchError(f"{shown(html)}: there is no folder {shown(html.absolute().parent)} to write it to")


def read_photos(photos: list[LabelledPhoto], folder: Path, config: Config) -> tuple[dict[str, ReadPhoto], float]:
    """What the engine sees in each photo, and the seconds that it took for one, decoding included."""
    from bibwatch.read.batch import read_all
    from bibwatch.read.engine import fingerprint
    from bibwatch.service.setup import engine_setup, pool_for

    pool = pool_for(config, fingerprint(engine_setup(config)), len(photos))
    read: dict[str, ReadPhoto] = {}
    seconds, count = 0.0, 0
    outcomes = read_all([folder / photo.file for photo in photos], pool)
    with counting("reading photos") as tell:
        for photo, (path, outcome) in zip(photos, outcomes, strict=True):
            if isinstance(outcome, PhotoError):
                click.echo(f"bibwatch: {shown(path)}: failed, so its bibs count as missed: {outcome}", err=True)
                read[photo.file] = ReadPhoto(path, 0, 0, (), ())
            else:
                read[photo.file] = ReadPhoto(path, outcome.width, outcome.height, outcome.readings, (), outcome.shot)
                seconds, count = seconds + outcome.seconds, count + 1
            tell(len(read), len(photos))
    return read, seconds / max(1, count)


def _as_json(judged: list[Judged], seconds: float) -> dict[str, Any]:
    from bibwatch.evaluate.judge import by_source, expected_calibration_error, reliability, tally

    bins = reliability(judged)
    return {
        **_plain(tally(judged)),
        "seconds_per_photo": round(seconds, 3),
        "sources": {source: _plain(tally(of_source)) for source, of_source in by_source(judged).items()},
        "expected_calibration_error": round(expected_calibration_error(bins), 4),
        "reliability": [asdict(one) for one in bins],
        "errors": [
            {"photo": one.photo.file, "wrong": sorted(one.wrong), "missed": sorted(one.missed)}
            for one in judged
            if one.wrong or one.missed
        ],
    }


def _plain(counted: Counts) -> dict[str, Any]:
    shares = {name: round(getattr(counted, name), 4) for name in ("precision", "recall", "f1")}
    return asdict(counted) | shares


def _lines(judged: list[Judged], seconds: float) -> Iterator[str]:
    from bibwatch.evaluate.judge import by_source, expected_calibration_error, reliability, tally

    for one in judged:
        parts = [f"{bib} is wrong ({one.matches[bib].probability:.2f})" for bib in sorted(one.wrong)]
        parts += [f"{bib} is missed" for bib in sorted(one.missed)]
        if parts:
            yield f"{shown(one.photo.file)}: {', '.join(parts)}"
    yield ""
    yield _row(TITLES)
    for source, of_source in by_source(judged).items():
        yield _row(_cells(source or "(no source)", tally(of_source)))
    yield _row(_cells("all", tally(judged)))
    bins = reliability(judged)
    yield ""
    yield f"calibration: a bib's probability is off by {expected_calibration_error(bins):.3f} in the mean (ECE)"
    yield from (f"  told {one.probability:.2f}, right {one.right:.2f}, {one.bibs} bibs" for one in bins)
    yield ""
    yield f"{seconds:.2f} s a photo in one reading process"


def _cells(name: str, counted: Counts) -> tuple[str, ...]:
    counts = (counted.photos, counted.bibs, counted.true_positives, counted.false_positives, counted.false_negatives)
    shares = (counted.precision, counted.recall, counted.f1)
    return (name, *(str(count) for count in counts), *(f"{share:.3f}" for share in shares))


def _row(cells: Sequence[str]) -> str:
    numbers = zip(cells[1:], COLUMNS[1:], strict=True)
    return f"{cells[0]:{COLUMNS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in numbers)
