"""Two ways to read the same photos, in turn: the running service from file to link, and the notebook's loop."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, inf
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import yaml

from bibwatch.config import ReaderConfig
from bibwatch.draw import bib_numbers, draw_event
from bibwatch.errors import BibwatchError, CouldNotStart
from bibwatch.running import running_service, wait_until
from bibwatch.service.status import Status, gather
from bibwatch.values import shown

SIZES = ((1824, 1216), (4256, 2832), (6000, 4000))  # pixels: 2, 12 and 24 megapixels
OF_EACH = 4  # photos drawn
SETTLE_S = 0.2  # of the service that is measured; a part of each time from drop to link
PATIENCE_S = 300.0  # without a photo that ends
LINKED_S = 0.3  # after a photo is read its links are there long before
STAGES = ("read", "decode", "detect", "crop", "recognise", "store", "link")


class Way(Protocol):
    """One way to read photos."""

    def read(self, photos: Sequence[Path], number: int) -> float:
        """Seconds that it takes for all of them in this round."""
        ...


@dataclass(slots=True)
class Outcome:
    """What was measured."""

    photos: int
    ours: list[float] = field(default_factory=list)  # photos a second, of each round
    notebook: list[float] = field(default_factory=list)  # the same
    stages: dict[str, float] = field(default_factory=dict)  # seconds a photo, in the process that it is in
    drop_to_link: list[float] = field(default_factory=list)  # seconds, of photos dropped one by one
    memory: dict[str, list[int]] = field(default_factory=dict)  # process -> MiB at most, of each such process

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        ours, notebook = (median(rates) if rates else None for rates in (self.ours, self.notebook))
        return {
            "photos": self.photos,
            "rounds": len(self.ours),
            "ours": {
                "photos_per_s": _rounded(ours),
                "stages": {stage: _rounded(self.stages.get(stage, 0.0)) for stage in STAGES},
                "drop_to_link_s": {"p50": self._within(0.5), "p95": self._within(0.95), "settle_s": SETTLE_S},
                "memory_mib": self.memory,
            },
            "notebook": {"photos_per_s": _rounded(notebook)},
            "ratio": None if ours is None or not notebook else round(ours / notebook, 1),
        }

    def _within(self, share: float) -> float | None:
        """The seconds within which this share of the drops was linked, by nearest rank."""
        ordered = sorted(self.drop_to_link)
        return _rounded(ordered[ceil(share * len(ordered)) - 1]) if ordered else None


def measure(
    photos: Sequence[Path], rounds: int, reader: ReaderConfig, notebook: Way | None, tell: Callable[[str], object]
) -> Outcome:
    """Measure both ways in turn, and tell what is done meanwhile.

    Raises:
        CouldNotStart: the service does not start, or does not go on.
    """
    outcome = Outcome(len(photos))
    tell("starting the service")
    with _service(reader) as ours:
        tell("warming up")
        ours.read(photos[:1], 0)
        if notebook is not None:
            notebook.read(photos[:1], 0)
        ours.clear()
        ours.forget_stages()
        for number in range(1, rounds + 1):
            tell(f"round {number} of {rounds}: bibwatch")
            outcome.ours.append(len(photos) / ours.read(photos, number))
            ours.clear()
            if notebook is not None:
                tell(f"round {number} of {rounds}: the notebook's way")
                outcome.notebook.append(len(photos) / notebook.read(photos, number))
        outcome.stages = ours.stages(rounds * len(photos))
        tell("dropping photos one by one")
        outcome.drop_to_link = [seconds for photo in photos if (seconds := ours.drop(photo, rounds + 1)) is not None]
        outcome.memory = ours.memory()
    return outcome


def drawn_photos(folder: Path) -> list[Path]:
    """Photos of 2, 12 and 24 megapixels, drawn into a folder."""
    photos = []
    for size in SIZES:
        for number, (image, _) in enumerate(draw_event(bib_numbers(8, seed=6), OF_EACH, size, seed=6)):
            photos.append(folder / f"{size[0]}-{number}.jpg")
            image.save(photos[-1], quality=92)
    return photos


class _Ours:
    """The service in a folder of its own; each photo's content is new to it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self._folder = folder
        self._process = process
        self._there = 0  # photos in the folder
        self._ended = (0, 0.0)  # photos that had ended when that last changed, and when: monotonic seconds
        self._copied: dict[str, Path] = {}
        self._warm: dict[str, float] = {}

    def read(self, photos: Sequence[Path], number: int) -> float:
        """Seconds from the first photo in the folder until the last one is read, and linked where it has a bib."""
        began = time.time()
        names = [self._copy(photo, number) for photo in photos]
        return max([self._until_all_ended(), *self._linked_at(names)]) - began

    def drop(self, photo: Path, number: int) -> float | None:
        """Seconds from a photo in the folder to its first link; None where it has no bib."""
        began = time.time()
        name = self._copy(photo, number)
        self._until_all_ended()
        return min((at - began for at in self._linked_at([name])), default=None)

    def clear(self) -> None:
        """Take all photos out of the folder again."""
        for photo in (self._folder / "incoming").iterdir():
            photo.unlink()
        self._there = 0
        wait_until(lambda: sum(self._status().queue.values()) == 0, self._process, PATIENCE_S)

    def forget_stages(self) -> None:
        """Count from now on: what was read so far warmed it up."""
        self._warm = self._spent()

    def stages(self, photos: int) -> dict[str, float]:
        """Seconds that each of so many photos took in each stage."""
        return {stage: (spent - self._warm.get(stage, 0.0)) / photos for stage, spent in self._spent().items()}

    def memory(self) -> dict[str, list[int]]:
        """The most that each process took, in MiB."""
        children = self._status().health["workers"]["pids"]
        return {"service": [_peak_mib(self._process.pid)], "readers": [_peak_mib(pid) for pid in children]}

    def _copy(self, photo: Path, number: int) -> str:
        name = f"{number}-{self._there}.jpg"  # of a PNG too: its bytes tell what it is
        self._there += 1
        # Bytes after the picture's end make another content of it, and no other picture.
        (self._folder / "incoming" / name).write_bytes(photo.read_bytes() + f"{number} {name}".encode())
        self._copied[name] = photo
        return name

    def _until_all_ended(self) -> float:
        """When the last photo was read, or as soon as that could be seen, in seconds since the epoch."""
        self._ended = (0, time.monotonic())
        wait_until(self._all_ended, self._process, patience_s=inf, every_s=0.02)
        return time.time()

    def _all_ended(self) -> bool:
        told = _well(self._folder)
        if told.failed:
            photo = self._copied[Path(told.failed[0]["photo"]).name]
            raise BibwatchError(f"{shown(photo)}: cannot be read, so leave it out: {told.failed[0]['reason']}")
        done = told.queue.get("done", 0)
        if done != self._ended[0]:
            self._ended = (done, time.monotonic())
        if time.monotonic() - self._ended[1] > PATIENCE_S:
            raise CouldNotStart(f"no photo was read for {PATIENCE_S:g} s")
        return done == self._there

    def _linked_at(self, names: Sequence[str]) -> list[float]:
        """When the links of photos of these names were made, in seconds since the epoch."""
        time.sleep(LINKED_S)
        links = (link for link in (self._folder / "bibs").glob("*/*") if link.name in names)
        return [link.lstat().st_ctime for link in links]

    def _spent(self) -> dict[str, float]:
        time.sleep(1.5)  # the service says once a second how it is
        return dict(self._status().health.get("since_start", {}).get("stages", {}))

    def _status(self) -> Status:
        return gather(self._folder / "bibwatch.db")


@contextmanager
def _service(reader: ReaderConfig) -> Iterator[_Ours]:
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as temporary:
        folder = Path(temporary)
        (folder / "incoming").mkdir()
        wish = reader.model_dump(mode="json", exclude_none=True)
        config = {
            "watch": [{"path": "incoming"}],
            "photos": {"settle_s": SETTLE_S},
            "targets": "all",
            "reader": wish,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        with running_service(folder, folder / "config.yaml") as process:
            wait_until(lambda: _is_ready(folder), process, PATIENCE_S)
            yield _Ours(folder, process)


def _is_ready(folder: Path) -> bool:
    workers = _well(folder).health.get("workers", {})
    return bool(workers) and workers["ready"] == workers["wanted"]


def _well(folder: Path) -> Status:
    """How the service is.

    Raises:
        CouldNotStart: something is amiss there, and nothing is measured.
    """
    told = gather(folder / "bibwatch.db")
    if told.health and told.degraded:
        raise CouldNotStart("; ".join(told.degraded))
    return told


def _peak_mib(pid: int) -> int:
    """The most memory that a process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
