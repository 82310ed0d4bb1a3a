"""The commands that read photos, find them and link them."""

import json
import sys
from pathlib import Path

import click

from bibwatch.cli.options import as_json, config_option, config_or_defaults, defaults, reader_options
from bibwatch.config import load_config, with_reader
from bibwatch.errors import PhotoError
from bibwatch.values import count_of, shown


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@reader_options
@as_json
def read(
    photos: tuple[Path, ...], config_path: Path, engine: str | None, device: str | None, json_wanted: bool
) -> None:
    """Read the bibs in PHOTOS and print them; no database, no links, no config needed.

    \b
    Example:  bibwatch read IMG_0001.JPG
              bibwatch read --json *.JPG     a JSON object a photo
    Exit:     0, or 1 if any photo failed.
    """
    from bibwatch.cli.show import outcome_as_json, outcome_as_text
    from bibwatch.match.event import Event
    from bibwatch.read.batch import read_all
    from bibwatch.read.engine import fingerprint
    from bibwatch.service.setup import engine_setup, pool_for, rules

    given = config_or_defaults(config_path, need_engine=engine is None and device is None)
    config = with_reader(given, engine, device)
    wanted = rules(config, Event())
    pool, failed = pool_for(config, fingerprint(engine_setup(config)), len(photos)), False
    for path, outcome in read_all(photos, pool):
        failed = failed or isinstance(outcome, PhotoError)
        show = outcome_as_json if json_wanted else outcome_as_text
        click.echo(show(path, outcome, wanted))
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("bib")
@config_option
@click.option(
    "--max-distance", type=click.FloatRange(min=0), help="How far a number may be off (default: the config's)."
)
@click.option("--maybe", is_flag=True, help="Those that only may show it, which are not linked.")
@as_json
def find(bib: str, config_path: Path, max_distance: float | None, maybe: bool, json_wanted: bool) -> None:
    """Print the photos of a BIB, from the database.

    \b
    Example:  bibwatch find 2419
              bibwatch find 2419 --maybe              photos that may show it, to be looked at
              bibwatch find 2419 --max-distance 1     one digit wrong is fine
    Exit:     0, or 1 if there is none.
    """
    from bibwatch.service.desk import open_desk

    if maybe and max_distance is not None:
        raise click.UsageError("--maybe lists numbers that are unsure, --max-distance numbers that are near; take one")
    config = load_config(config_path, need_folders=False, need_engine=False)
    with open_desk(config) as desk:
        photos = desk.find(bib, max_distance, maybe=maybe)
    if json_wanted:
        click.echo(json.dumps({"bib": bib, "photos": [str(path) for path in photos]}))
    else:
        for path in photos:
            click.echo(shown(path))
        if not photos:
            click.echo(f"no photo that {'may show' if maybe else 'shows'} {bib} yet", err=True)
    sys.exit(0 if photos else 1)


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@as_json
def link(config_path: Path, dry_run: bool, json_wanted: bool) -> None:
    """Bring the link tree in line with the database; reads no photo again.

    A running service does this by itself, so it must be stopped first, except for --dry-run.

    \b
    Example:  bibwatch link --dry-run
    """
    from bibwatch.cli.show import applied_as_json
    from bibwatch.service.linking import relink_once

    outcome = relink_once(load_config(config_path, need_folders=False, need_engine=False), dry_run=dry_run)
    if json_wanted:
        click.echo(applied_as_json(outcome))
        return
    for path in outcome.made:
        click.echo(f"{'would link' if dry_run else 'linked'} {shown(path)}")
    for path in outcome.removed:
        click.echo(f"{'would unlink' if dry_run else 'unlinked'} {shown(path)}")
    for path, reason in outcome.troubles.items():
        click.echo(f"{shown(path)}: {reason}", err=True)
    would = "to be " if dry_run else ""
    click.echo(
        f"{count_of(len(outcome.made), 'link')} {would}made, {len(outcome.removed)} {would}removed, "
        f"{outcome.kept} as they were"
    )


@click.command()
@click.option("--photos", "count", type=click.IntRange(4, 100), default=24, show_default=True, help="Photos to draw.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Keep the demo here (a new folder) instead of a temporary one."
)
@reader_options
def demo(count: int, folder: Path | None, engine: str | None, device: str | None) -> None:
    """Draw an event's photos, run the real service on them, and show the bib folders it fills.

    \b
    Example:  bibwatch demo
              bibwatch demo --folder try-it     keeps photos, config, database and links
    """
    from bibwatch.demo import show_demo

    config = with_reader(defaults(), engine, device)
    show_demo(count, folder, config.reader)
