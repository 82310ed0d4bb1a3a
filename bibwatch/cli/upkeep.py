"""The commands that look after what the service keeps."""

import json
import sys
from pathlib import Path

import click

from bibwatch.cli.options import as_json, config_option
from bibwatch.config import load_config
from bibwatch.values import count_of, shown


@click.command()
@config_option
@as_json
def verify(config_path: Path, json_wanted: bool) -> None:
    """Compare photos, database and links, and say every difference; changes nothing.

    What is wanted is computed anew from the readings. While the service works, what it has not come to yet counts too.

    \b
    Example:  bibwatch verify
    Exit:     0 all agree, 1 if anything differs or there is no database, 2 bad config.
    """
    from bibwatch.service.verify import verify as differences

    config = load_config(config_path, need_folders=False, need_engine=False)
    found = []
    for line in differences(config):
        found.append(line)
        if not json_wanted:
            click.echo(line)
    if json_wanted:
        click.echo(json.dumps({"differences": found}))
    else:
        click.echo(f"{count_of(len(found), 'difference')}" if found else "photos, database and links agree")
    sys.exit(1 if found else 0)


@click.command()
@config_option
def retry(config_path: Path) -> None:
    """Let every failed photo wait again, with all its tries.

    A running service takes them up at once; else the next `bibwatch run` or `scan` does.

    \b
    Example:  bibwatch retry
    """
    from bibwatch.service.mend import retry as let_wait

    number = let_wait(load_config(config_path, need_folders=False, need_engine=False))
    click.echo(f"{count_of(number, 'photo')} to be tried again")


@click.command()
@config_option
@click.argument("folder", type=click.Path(path_type=Path))
def forget(config_path: Path, folder: Path) -> None:
    """Let the links go of photos that were in FOLDER and will not come back.

    A folder that is missing, empty or on another disk keeps its links until it is back, or until this is said. Photos
    that are there are left alone. Naming the link root says that it has moved to another disk for good.

    \b
    Example:  bibwatch forget /media/card1
    """
    from bibwatch.service.mend import forget as let_go

    config = load_config(config_path, need_folders=False, need_engine=False)
    number = let_go(config, folder)
    click.echo(
        f"{count_of(number, 'photo')} forgotten in {shown(folder)}; the links follow at once where the service "
        "runs, else with `bibwatch link`"
    )
