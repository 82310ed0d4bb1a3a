"""Engines that behave in ways a real one seldom does, built in real child processes."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bibwatch.errors import EngineUnavailable
from bibwatch.read.engine import EngineSetup
from bibwatch.values import Box, Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image

NAME = "scripted:1"


class Scripted:
    """Reads the picture's width as its bib; does something else for the widths that a test gives a meaning."""

    def read(self, image: "Image") -> tuple[Reading, ...]:
        height, width = image.shape[:2]
        if width == 666:
            os.abort()
        if width == 999:
            time.sleep(600)
        if width == 500:
            raise ValueError("no such tensor")
        return (Reading(str(width), 1.0, Box(0, 0, width, height), 1.0, NAME),)


def scripted() -> Scripted:
    return Scripted()


def build(setup: EngineSetup) -> Scripted:
    return Scripted()


def missing() -> Scripted:
    raise EngineUnavailable("the model file is missing")


class CountingFile(Scripted):
    """Leaves a file for each reading, so that readings in several processes can be counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, image: "Image") -> tuple[Reading, ...]:
        (self._folder / f"{time.monotonic_ns()}-{os.getpid()}").touch()
        return super().read(image)
