"""The commands of the service and of one pass."""

import json
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from bibwatch.cli.options import as_json, config_option
from bibwatch.config import find_database, load_config
from bibwatch.errors import ConfigError
from bibwatch.values import count_of, shown


@click.command()
@config_option
@click.option("--rebuild", is_flag=True, help="Where the database is damaged, keep it aside and read the photos anew.")
def run(config_path: Path, rebuild: bool) -> None:
    """Watch, read and link until stopped (the service).

    \b
    Example:  bibwatch run -c /etc/bibwatch/config.yaml
    Signals:  TERM, INT stop it cleanly; HUP reads the config again (so does saving the file).
    Exit:     0 stopped, 2 bad config, 3 could not start.
    """
    from bibwatch.service.life import Service

    config = load_config(config_path)
    _log_to_handler(logging.INFO)
    Service(config, config_path, rebuild=rebuild).run()


@click.command()
@config_option
@as_json
def scan(config_path: Path, json_wanted: bool) -> None:
    """Read and link what lies in the watched folders now, then end.

    \b
    Example:  bibwatch scan
    Exit:     0, or 1 if any photo failed.
    """
    from bibwatch.cli.show import follow
    from bibwatch.service.life import Service
    from bibwatch.service.scan import Scan

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


@click.command()
@config_option
@as_json
@click.option("--watch", "watched", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
def status(config_path: Path, json_wanted: bool, watched: bool) -> None:
    """Say how the service is: folders, queue, workers, last photos, and what is wrong.

    \b
    Example:  bibwatch status --watch
    Exit:     0 ok, 1 degraded, 2 down, or the config is bad.
    """
    from bibwatch.cli.show import keep_showing, status_as_text
    from bibwatch.service.status import gather

    database, problems = find_database(config_path)
    found = gather(database)
    if problems and found.state == "down":
        raise ConfigError(problems)
    as_text = (lambda status: json.dumps(status.as_json())) if json_wanted else status_as_text
    if watched:
        keep_showing(lambda: as_text(gather(database)))
        found = gather(database)
    else:
        click.echo(as_text(found))
    sys.exit({"ok": 0, "degraded": 1, "down": 2}[found.state])


@click.command()
@config_option
def check(config_path: Path) -> None:
    """Check config, folders, disks, database, engine and systemd, and say what to mend.

    \b
    Example:  bibwatch check -c /etc/bibwatch/config.yaml
    Exit:     0 all well, 1 something to mend.
    """
    from bibwatch.service.check import checks

    well = True
    for name, fault in checks(config_path):
        well = well and fault is None
        click.echo(f"ok    {name}" if fault is None else f"MEND  {name}: {fault}")
    sys.exit(0 if well else 1)


def _log_to_handler(level: int) -> None:
    from bibwatch.log import Throttle
    from bibwatch.systemd import log_handler

    handler = log_handler()
    handler.addFilter(Throttle(time.monotonic))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(level)
