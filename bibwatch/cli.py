"""The command line: one function a command. Heavy modules are imported by the commands that need them."""

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import click

from bibwatch.config import Config, find_database, load_config, with_reader
from bibwatch.errors import ConfigError, PhotoError
from bibwatch.options import STANDARD_CONFIG, Commands, as_json, config_option, count_of, reader_options
from bibwatch.values import shown


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Begin:  bibwatch demo                 see it work on drawn photos
        cp config.example.yaml config.yaml, edit it, then
        bibwatch check                is all well?
        bibwatch run                  watch, read, link, until stopped
\b
Completion in bash:  eval "$(_BIBWATCH_COMPLETE=bash_source bibwatch)"   (zsh_source, fish_source alike)""",
)
@click.version_option(package_name="bibwatch")
def main() -> None:
    """Watch folders of race photos, read the bib numbers, keep one folder of links per bib up to date."""


@main.command()
@config_option
def run(config_path: Path) -> None:
    """Watch, read and link until stopped (the service).

    \b
    Example:  bibwatch run -c /etc/bibwatch/config.yaml
    Signals:  TERM, INT stop it cleanly; HUP reads the config again (so does saving the file).
    Exit:     0 stopped, 2 bad config, 3 could not start.
    """
    from bibwatch.service.life import Service

    config = load_config(config_path)
    _log_to_handler(logging.INFO)
    Service(config, config_path).run()


@main.command()
@config_option
@as_json
def scan(config_path: Path, json_wanted: bool) -> None:
    """Read and link what lies in the watched folders now, then end.

    \b
    Example:  bibwatch scan
    Exit:     0, or 1 if any photo failed.
    """
    from bibwatch.service.life import Service
    from bibwatch.service.scan import Scan
    from bibwatch.show import follow

    config = load_config(config_path)
    _log_to_handler(logging.CRITICAL)  # the progress and the list of failures tell the same
    service = Service(config)
    pass_ = Scan(service)
    with service:
        follow(pass_.progress())
        summary, failures, troubles = pass_.summary(), pass_.failures(), pass_.troubles()
    for trouble in troubles:
        click.echo(f"bibwatch: {trouble}", err=True)
    for photo, reason in failures:
        click.echo(f"failed: {photo}: {reason}", err=True)
    if json_wanted:
        click.echo(json.dumps(asdict(summary)))
    else:
        click.echo(
            f"{count_of(summary.photos, 'photo')}: {summary.read} read, {summary.reused} known already, "
            f"{summary.failed} failed; {count_of(summary.links, 'link')} in {shown(config.links.root)} "
            f"({summary.seconds:.1f} s)"
        )
    sys.exit(1 if summary.failed else 0)


@main.command()
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
    from bibwatch.read.batch import read_all
    from bibwatch.service.setup import engine_setup, workers_for
    from bibwatch.show import outcome_as_json, outcome_as_text

    config = with_reader(_config_or_defaults(config_path), engine, device)
    reader, failed = config.reader, False
    outcomes = read_all(photos, engine_setup(config), workers_for(reader.workers), reader.timeout_s)
    for path, outcome in outcomes:
        failed = failed or isinstance(outcome, PhotoError)
        show = outcome_as_json if json_wanted else outcome_as_text
        click.echo(show(path, outcome, reader.min_score))
    sys.exit(1 if failed else 0)


@main.command()
@click.argument("bib")
@config_option
@click.option(
    "--max-distance", type=click.FloatRange(min=0), help="How far a number may be off (default: the config's)."
)
@as_json
def find(bib: str, config_path: Path, max_distance: float | None, json_wanted: bool) -> None:
    """Print the photos of a BIB, from the database.

    \b
    Example:  bibwatch find 2419
              bibwatch find 2419 --max-distance 1     one digit wrong is fine
    Exit:     0, or 1 if there is none.
    """
    from bibwatch.service.linking import photos_of

    config = load_config(config_path, need_folders=False)
    photos = photos_of(config, bib, config.max_distance if max_distance is None else max_distance)
    if json_wanted:
        click.echo(json.dumps({"bib": bib, "photos": [str(path) for path in photos]}))
    else:
        for path in photos:
            click.echo(shown(path))
        if not photos:
            click.echo(f"no photo of {bib} yet", err=True)
    sys.exit(0 if photos else 1)


@main.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@as_json
def link(config_path: Path, dry_run: bool, json_wanted: bool) -> None:
    """Bring the link tree in line with the database; reads no photo again.

    A running service does this by itself, so it must be stopped first, except for --dry-run.

    \b
    Example:  bibwatch link --dry-run
    """
    from bibwatch.service.linking import relink_once
    from bibwatch.show import applied_as_json

    outcome = relink_once(load_config(config_path, need_folders=False), dry_run=dry_run)
    if json_wanted:
        click.echo(applied_as_json(outcome))
        return
    for path in outcome.made:
        click.echo(f"{'would link' if dry_run else 'linked'} {shown(path)}")
    for path in outcome.removed:
        click.echo(f"{'would unlink' if dry_run else 'unlinked'} {shown(path)}")
    for path, reason in outcome.troubles.items():
        click.echo(f"{shown(path)}: {reason}", err=True)
    click.echo(
        f"{count_of(len(outcome.made), 'link')} made, {len(outcome.removed)} removed, {outcome.kept} as they were"
    )


@main.command()
@config_option
@as_json
def status(config_path: Path, json_wanted: bool) -> None:
    """Say how the service is: folders, queue, workers, last photos, and what is wrong.

    \b
    Exit:     0 ok, 1 degraded, 2 down.
    """
    from bibwatch.service.status import gather
    from bibwatch.show import status_as_text

    database, problems = find_database(config_path)
    found = gather(database)
    if problems and found.state == "down":
        raise ConfigError(problems)
    click.echo(json.dumps(found.as_json()) if json_wanted else status_as_text(found))
    sys.exit({"ok": 0, "degraded": 1, "down": 2}[found.state])


@main.command()
@config_option
def check(config_path: Path) -> None:
    """Check config, folders, disk, engine and systemd, and say what to mend.

    \b
    Exit:     0 all well, 1 something to mend.
    """
    from bibwatch.service.check import checks

    well = True
    for name, fault in checks(config_path):
        well = well and fault is None
        click.echo(f"ok    {name}" if fault is None else f"MEND  {name}: {fault}")
    sys.exit(0 if well else 1)


@main.command()
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

    config = with_reader(_defaults(), engine, device)
    show_demo(count, folder, config.reader)


def _config_or_defaults(path: Path) -> Config:
    """The config, or the defaults where the standard file is not there."""
    return load_config(path, need_folders=False) if path != STANDARD_CONFIG or path.exists() else _defaults()


def _defaults() -> Config:
    return Config.model_validate({"watch": [{"path": "."}], "targets": "all"})


def _log_to_handler(level: int) -> None:
    from bibwatch.systemd import log_handler

    logging.basicConfig(level=level, handlers=[log_handler()], format="%(asctime)s %(levelname)-7s %(message)s")
