"""The teacher: every line that the embedded engine's large detector finds in photos at full size, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bibwatch.errors import PhotoError
from bibwatch.read.photo_file import decode, size_of
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT, LineFinder, seen_size
from bibwatch.read.ppocr.on_cpu import CpuNetworks
from bibwatch.read.ppocr.texts import CarefulReader
from bibwatch.train.scenes import Tell, refuse


def teach(photos: Sequence[Path], tell: Tell) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each photo with its lines, as `lessons` takes them; takes a second a photo.

    Raises:
        TrainingError: once all others were read, naming the photos that cannot be, ten at most.
    """
    networks, finder = CpuNetworks("thorough"), LineFinder()
    reader = CarefulReader(networks)
    problems = []
    for done, photo in enumerate(photos, start=1):
        try:
            picture = decode(photo.read_bytes(), last_look=True)
        except (OSError, PhotoError) as error:
            problems.append(f"{photo}: {error}")
        else:
            size = size_of(picture)
            [heat] = networks.detect([picture], *seen_size(*size, DETECTOR_SIGHT))
            cuts = finder.lines(heat, *size)
            texts = reader.read(networks.cut(picture, cuts), cuts)
            lines = [[text.text, text.score, cut.corners.tolist()] for cut, text in zip(cuts, texts, strict=True)]
            yield photo.name, {"lines": lines}
        tell(done, len(photos))
    refuse(problems)
