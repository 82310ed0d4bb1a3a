"""What `make eval` prints of the efforts: how right and how fast each is, beside the notebook's detector."""

import time
from collections.abc import Sequence

import numpy as np

from bibwatch.cli.evaluate import read_photos
from bibwatch.cli.options import defaults
from bibwatch.config import Config
from bibwatch.evaluate.judge import judge, tally
from bibwatch.evaluate.manifest import LabelledPhoto, read_manifest
from bibwatch.evaluate.notebook import NotebookWay
from bibwatch.match.event import Event
from bibwatch.read.photo_file import decode, size_of
from bibwatch.read.ppocr.engine import PpocrEngine
from bibwatch.read.ppocr.on_cpu import CpuNetworks
from bibwatch.service.setup import rules
from bibwatch.values import Box, Effort
from tests.support import SHARED

PHOTOS = SHARED / "photos"
LARGE_SOURCE = "gheinrich"  # its photos are 2,048 pixels long, but for three
EVERY = 16  # of the photos are shown to the notebook's detector, which takes seconds for each
EFFORTS: tuple[Effort, ...] = ("fast", "balanced", "thorough")


def main() -> None:
    photos = read_manifest(PHOTOS / "manifest.csv")
    print("| effort | precision | recall | F1 | photos/s | at 2,048 pixels |\n|---|---|---|---|---|---|")
    for effort in EFFORTS:
        print(row(effort, photos), flush=True)
    few = [PHOTOS / photo.file for photo in photos[::EVERY]]
    notebook = NotebookWay(None, None, "cpu", threads=2)
    notebook.read(few[:1], 0)
    print(f"| the notebook's detector | | | | {len(few) / notebook.read(few, 1):.2f} | |\n")
    doubts(photos)


def row(effort: Effort, photos: Sequence[LabelledPhoto]) -> str:
    """One line of the table; the readers' start counts in."""
    plain = defaults()
    config = plain.model_copy(update={"reader": plain.reader.model_copy(update={"effort": effort})})
    began = time.perf_counter()
    seen, _ = read_photos(list(photos), PHOTOS, config)
    rate = len(photos) / (time.perf_counter() - began)
    counted = tally(judge(photos, seen, rules(config, Event())))
    large = rate_of([photo for photo in photos if photo.source == LARGE_SOURCE], config)
    return (
        f"| `{effort}` | {counted.precision:.3f} | {counted.recall:.3f} | {counted.f1:.3f} | {rate:.2f} | {large:.2f} |"
    )


def rate_of(photos: Sequence[LabelledPhoto], config: Config) -> float:
    """Photos a second, with two reading processes as soon as they are ready."""
    _, seconds = read_photos(list(photos), PHOTOS, config)
    return 2 / seconds


class Watched(CpuNetworks):
    """The networks, and which parts of a picture the large detector was shown."""

    def __init__(self) -> None:
        super().__init__("balanced")
        self.parts: list[Box] = []

    def part(self, picture: "np.ndarray", box: Box) -> "np.ndarray":
        self.parts.append(box)
        return super().part(picture, box)


def doubts(photos: Sequence[LabelledPhoto]) -> None:
    """In how many photos `balanced` has the large detector look again, and at how much of them."""
    networks = Watched()
    engine = PpocrEngine(networks, "balanced", "watched")
    looked_at, whole = [], 0
    for photo in photos:
        picture = decode((PHOTOS / photo.file).read_bytes(), last_look=True)
        networks.parts.clear()
        list(engine.read([picture]))
        height, width = size_of(picture)
        looked_at.append(sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in networks.parts) / (height * width))
        whole += networks.parts == [Box(0, 0, width, height)]
    parts = sum(share > 0 for share in looked_at) - whole
    print(f"in doubt: all of {whole} photos, parts of {parts}, nothing of {len(photos) - whole - parts};", end=" ")
    print(f"{np.mean(looked_at):.3f} of all pixels looked at again")


if __name__ == "__main__":
    main()
