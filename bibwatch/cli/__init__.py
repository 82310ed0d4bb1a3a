"""The command line: one function a command. Heavy modules are imported by the commands that need them."""

import click

from bibwatch.cli.bench import bench
from bibwatch.cli.evaluate import evaluate
from bibwatch.cli.notebooks import convert_vgg, export_csv, import_csv, train
from bibwatch.cli.options import Commands
from bibwatch.cli.people import correct, why
from bibwatch.cli.photos import demo, find, link, read
from bibwatch.cli.service import check, run, scan, status
from bibwatch.cli.spotter import train_spotter
from bibwatch.cli.upkeep import forget, retry, verify


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


for command in (
    run,
    scan,
    read,
    find,
    link,
    status,
    check,
    verify,
    why,
    correct,
    retry,
    forget,
    export_csv,
    import_csv,
    convert_vgg,
    train,
    train_spotter,
    evaluate,
    bench,
    demo,
):
    main.add_command(command)
