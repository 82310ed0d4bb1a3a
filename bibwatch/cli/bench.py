"""The command that measures how fast photos are read, beside the notebook's way."""

from __future__ import annotations

import json
import os
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bibwatch.cli.options import as_json, config_option, config_or_defaults, reader_options
from bibwatch.config import with_reader
from bibwatch.errors import EngineUnavailable, ExtraMissing
from bibwatch.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bibwatch.config import Config
    from bibwatch.evaluate.notebook import NotebookWay


a_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("photos", nargs=-1, type=a_file)
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="The median counts.")
@click.option("--weights", type=a_file, help="The weights of the notebook's detector (.pt); else random ones.")
@click.option("--no-notebook", is_flag=True, help="Leave out the notebook's way, which takes seconds a photo.")
@click.option("--chart", type=click.Path(path_type=Path, dir_okay=False), help="Draw the outcome here (PNG).")
@config_option
@reader_options
@as_json
def bench(  # noqa: PLR0913, PLR0917  # one for each option
    photos: tuple[Path, ...],
    rounds: int,
    weights: Path | None,
    no_notebook: bool,
    chart: Path | None,
    config_path: Path,
    engine: str | None,
    device: str | None,
    json_wanted: bool,
) -> None:
    """Measure how many PHOTOS a second are read, from the file to its links, and by the notebook's way in turn.

    Without PHOTOS, drawn ones of 2, 12 and 24 megapixels are read. The service that is measured has a temporary folder
    of its own. No config is needed; where there is one, its key reader counts. Nothing else should run meanwhile.

    \b
    Example:  bibwatch bench
              bibwatch bench /srv/race/incoming/*.jpg --rounds 5 --chart speed.png
              bibwatch bench --device cpu --no-notebook
    """
    from bibwatch.bench import drawn_photos, measure

    if chart is not None and find_spec("matplotlib") is None:
        raise ExtraMissing("--chart needs matplotlib, not installed here: pip install 'bibwatch[train]'")
    given = config_or_defaults(config_path, need_engine=engine is None and device is None)
    config = with_reader(given, engine, device)
    notebook, ran = (None, "not asked for") if no_notebook else _notebook(config, weights)
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
        read = list(photos) or drawn_photos(Path(folder))
        outcome = measure(read, rounds, config.reader, notebook, partial(click.echo, err=True))
    told = outcome.as_json() | {"notebook_ran": ran}
    click.echo(json.dumps(told) if json_wanted else "\n".join(_lines(told)))
    if chart is not None:
        from bibwatch.evaluate.chart import speed_chart

        with whole_file(chart) as file:
            file.write(speed_chart(told))


def _notebook(config: Config, weights: Path | None) -> tuple[NotebookWay | None, str]:
    """The notebook's way, and what of it can be run; None where nothing can."""
    from bibwatch.evaluate.notebook import NotebookWay

    dossard, device = config.reader.dossard, config.reader.devices[0]
    threads = len(os.sched_getaffinity(0))
    try:
        way = NotebookWay(weights or dossard.weights, dossard.easyocr_models, device, threads)
    except (ImportError, RuntimeError) as error:  # as torchvision beside a torch that does not fit it
        return None, f"nothing, because torch or EasyOCR cannot be used ({error}): pip install 'bibwatch[dossard]'"
    except EngineUnavailable as error:
        if weights is not None:
            raise
        return None, f"nothing, because {error}"
    return way, way.ran


def _lines(told: dict[str, Any]) -> Sequence[str]:
    ours, notebook = told["ours"], told["notebook"]
    drop, memory = ours["drop_to_link_s"], ours["memory_mib"]
    lines = [
        f"{told['photos']} photos, {told['rounds']} rounds, medians",
        f"bibwatch             {ours['photos_per_s']:.2f} photos/s, from the file to its links",
        f"the notebook's way   {_per_second(notebook['photos_per_s'])} ({told['notebook_ran']})",
    ]
    if told["ratio"] is not None:
        lines.append(f"                     {told['ratio']:.1f} times as many")
    lines += ["", "seconds a photo, in the process that does it:"]
    lines += [f"  {stage:10} {seconds:8.4f}" for stage, seconds in ours["stages"].items()]
    if drop["p50"] is not None:
        settle = f"of which {drop['settle_s']} s wait for the file to keep still"
        lines.append(f"drop to link, one by one: {drop['p50']:.2f} s (p50), {drop['p95']:.2f} s (p95), {settle}")
    readers = ", ".join(map(str, memory["readers"]))
    lines.append(f"memory at most: service {memory['service'][0]} MiB, reading processes {readers} MiB")
    return lines


def _per_second(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f} photos/s"
