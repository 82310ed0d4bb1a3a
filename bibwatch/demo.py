"""The demo: an event's photos are drawn and arrive one by one, and the real service fills the bib folders."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.tree import Tree

from bibwatch.config import ReaderConfig, WebConfig
from bibwatch.config.faults import WEB_PACKAGES, missing_packages
from bibwatch.draw import Runner, bib_numbers, draw_event
from bibwatch.errors import CouldNotStart
from bibwatch.running import running_service, wait_until
from bibwatch.service.status import gather
from bibwatch.values import shown

SIZE = (1200, 800)  # pixels of a drawn photo
RUNNERS = 8


def show_demo(photos: int, folder: Path | None, reader: ReaderConfig) -> None:
    """Run the demo in a new folder, or in a temporary one that goes at the end.

    Raises:
        CouldNotStart: the folder exists already, or the service ended by itself.
    """
    console = Console(highlight=False, soft_wrap=True)
    if folder is not None:
        if folder.exists():
            raise CouldNotStart(f"{folder}: exists already; name a new folder for the demo")
        folder.mkdir(parents=True)
        _play(console, folder.absolute(), photos, reader)
        console.print(f"Everything is in {folder}. To go on there: cd {folder} && bibwatch run")
    else:
        with tempfile.TemporaryDirectory(prefix="bibwatch-demo-") as temporary:
            _play(console, Path(temporary), photos, reader)
        console.print("The temporary folder is gone; `bibwatch demo --folder try-it` keeps it.")
    _say_how_to_go_on(console)


def _play(console: Console, folder: Path, photos: int, reader: ReaderConfig) -> None:
    (folder / "incoming").mkdir()
    scenes = draw_event(bib_numbers(RUNNERS, seed=2026), photos, SIZE, seed=2026)
    targets = _popular(runner for _, runners in scenes for runner in runners)
    config_path = folder / "config.yaml"
    listen = _free_address()
    _write_config(config_path, targets[:2], reader, listen)
    console.print(f"The demo runs in {folder}: photos arrive in incoming/, bib folders appear in bibs/.")
    console.print(f"Its config asks for the bibs {targets[0]} and {targets[1]}. Starting the service: bibwatch run")
    with running_service(folder, config_path) as process:
        if listen:
            wait_until(lambda: _page_of(folder) is not None, process)
            console.print(f"Its page, live: [bold]{_page_of(folder)}[/bold]")
        _deliver(console, folder, [image for image, _ in scenes], process)
        console.print(f"\nNow the config is saved with one more target, {targets[2]}. No photo is read again:")
        _write_config(config_path, targets[:3], reader, listen)
        wait_until((folder / "bibs" / targets[2]).exists, process)
        time.sleep(0.3)  # the folder comes with its first link; let the others follow
        console.print(_tree(folder / "bibs"))
        found = gather(folder / "bibwatch.db")
        console.print(f"{found.queue['done']} photos, {found.inferences} readings, {found.links} links.")
        if listen and console.is_terminal and sys.stdin.isatty():
            console.input(f"\nThe page is at {_page_of(folder)} as long as you look. Enter ends it: ")
    console.print("The service was stopped, cleanly.\n")


def _popular(runners: Iterator[Runner]) -> list[str]:
    """The bibs seen most often in full, best first."""
    seen: dict[str, int] = {}
    for runner in runners:
        seen[runner.bib] = seen.get(runner.bib, 0) + (runner.hidden == 0)
    return sorted(seen, key=lambda bib: (-seen[bib], bib))


def _write_config(path: Path, targets: Sequence[str], reader: ReaderConfig, listen: str | None) -> None:
    config = {
        "watch": [{"path": "incoming"}],
        "targets": list(targets),
        "reader": {"engine": reader.engine, "device": reader.device},
        "web": listen and {"listen": listen},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _free_address() -> str | None:
    """Where this demo's page is to listen: at the usual address, or, where somebody listens there, at any other; None
    where the page's packages are not installed."""
    if missing_packages(WEB_PACKAGES):
        return None
    usual = WebConfig()
    try:
        socket.create_server(usual.listener).close()
    except OSError:
        return "127.0.0.1:0"
    return usual.listen


def _page_of(folder: Path) -> str | None:
    address: str | None = gather(folder / "bibwatch.db").health.get("page")
    return address


def _deliver(console: Console, folder: Path, images: Sequence[Image.Image], process: subprocess.Popen[bytes]) -> None:
    """Write the photos one by one, and show the readings catch up."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bars:
        arrived = bars.add_task("photos drawn", total=len(images))
        read = bars.add_task("photos read ", total=len(images))

        def all_read() -> bool:
            done = _done(folder)
            bars.update(read, completed=done)
            return done >= len(images)

        for number, image in enumerate(images, start=1):
            image.save(folder / "incoming" / f"IMG_{number:04}.JPG", quality=92)
            bars.update(arrived, completed=number)
            all_read()
        wait_until(all_read, process)


def _done(folder: Path) -> int:
    found = gather(folder / "bibwatch.db")
    return found.queue.get("done", 0) + found.queue.get("failed", 0)


def _tree(bibs: Path) -> Tree:
    """The link tree as people draw it: bib folders, and in each the links with what they lead to."""
    tree = Tree(f"{bibs.name}/")
    for folder in sorted(bibs.iterdir()):
        branch = tree.add(f"{shown(folder.name)}/")
        for link in sorted(folder.iterdir()):
            branch.add(f"{shown(link.name)} -> {shown(link.readlink())}")
    return tree


def _say_how_to_go_on(console: Console) -> None:
    console.print("For your own photos: cp config.example.yaml config.yaml, name your folder and bibs in it, then")
    console.print("  bibwatch check    says what is missing")
    console.print("  bibwatch run      watches until stopped; `bibwatch status` in another terminal says how it is")
