"""The commands by which people ask after a photo, and mend its bibs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from bibwatch.cli.options import as_json, config_option
from bibwatch.config import load_config
from bibwatch.match.bibs import typed_bibs
from bibwatch.values import Correction, count_of, shown

a_photo = click.argument("photo", type=click.Path(path_type=Path))
BIBS = "BIB[,BIB...]"


@click.command()
@a_photo
@config_option
@click.option("--set", "set_", metavar=BIBS, multiple=True, help="The photo shows these bibs and no others.")
@click.option("--none", "none", is_flag=True, help="The photo shows no bib.")
@click.option("--add", metavar=BIBS, multiple=True, help="The photo shows this bib too.")
@click.option("--remove", metavar=BIBS, multiple=True, help="The photo does not show this bib.")
@click.option("--undo", is_flag=True, help="Forget the last correction of this photo.")
def correct(  # noqa: PLR0913, PLR0917  # one for each option
    photo: Path,
    config_path: Path,
    set_: tuple[str, ...],
    none: bool,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    undo: bool,
) -> None:
    """Say which bibs PHOTO shows; its links follow at once, and copies of it too.

    What a person says wins over what is read, and stays when the photo is read again, renamed or moved. PHOTO may be a
    link in a bib's folder.

    \b
    Example:  bibwatch correct incoming/IMG_0001.JPG --set 2419,17
              bibwatch correct bibs/2418/IMG_0001.JPG --remove 2418 --add 2419
              bibwatch correct incoming/IMG_0001.JPG --none      it shows no bib
              bibwatch correct incoming/IMG_0001.JPG --undo      as before the last correction
    Exit:     0, 1 not known or not read yet, 2 bad config or options.
    """
    from bibwatch.service import correct as service

    config = load_config(config_path, need_folders=False, need_engine=False)
    words = list(_words({"set": set_, "remove": remove, "add": add}, none=none))
    if bool(words) == undo:
        raise click.UsageError("say what the photo shows: --set, --none, --add, --remove, or else --undo")
    change = service.undo if undo else partial(service.say, words=words)
    done = service.correct(config, change, photo)
    before, after = (", ".join(sorted(bibs)) or "no bib" for bibs in (done.before, done.after))
    click.echo(f"{shown(done.path)}: {after}" + (f" (was {before})" if before != after else ", as before"))
    for remark in done.remarks:
        click.echo(f"bibwatch: {remark}", err=True)


@click.command()
@a_photo
@config_option
@as_json
def why(photo: Path, config_path: Path, json_wanted: bool) -> None:
    """Tell the story of PHOTO: what was read where, what it was taken for, and why each link is there or not.

    PHOTO may be a link in a bib's folder.

    \b
    Example:  bibwatch why bibs/2419/IMG_0001.JPG
    Exit:     0, 1 not known, 2 bad config.
    """
    from bibwatch.service.desk import open_desk
    from bibwatch.service.story import as_plain

    with open_desk(load_config(config_path, need_folders=False, need_engine=False)) as desk:
        told = as_plain(desk.story(photo))
    click.echo(json.dumps(told) if json_wanted else "\n".join(_lines(told)))


def _words(given: dict[str, tuple[str, ...]], *, none: bool) -> Iterator[Correction]:
    if none and any(given.values()):
        raise click.UsageError("--none says that there is no bib, so there is nothing to set, add or remove")
    if none:
        yield Correction("set", ())
    for kind in ("set", "remove", "add"):
        if bibs := typed_bibs(*given[kind]):
            yield Correction(kind, bibs)


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{shown(told['photo'])}: {told['state']}" + (f": {told['error']}" if told["error"] else "")
    if told["size"] is None:
        yield "  not read yet"
        return
    size = "x".join(map(str, told["size"]))
    yield f"  {count_of(len(told['readings']), 'text')} with digits, in {size} pixels"
    for reading in told["readings"]:
        box = ",".join(map(str, reading["box"]))
        yield f"  {reading['text']!r} at {box}: score {reading['score']:.2f}, box {reading['detection_score']:.2f}"
        yield from (f"      {line}" for line in reading["story"])
    for correction in told["corrections"]:
        when = datetime.fromtimestamp(correction["at"]).strftime("%Y-%m-%d %H:%M:%S")
        yield f"  a person said, {when}: {correction['kind']} {', '.join(correction['bibs']) or 'none'}"
    for bib, fate in told["bibs"].items():
        yield f"  {bib}: {fate}"
    for link in told["links"]:
        yield f"  link {shown(link)}"
    for path in told["missing"]:
        yield f"  to be linked, or kept from it by what stands there: {shown(path)}"
