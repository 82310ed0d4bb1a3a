"""An engine that reads a picture's colour as its number, notes each reading in a file, and has photos it dies of."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bibwatch.read.engine import EngineSetup
from bibwatch.read.stages import Stages
from bibwatch.values import Box, Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image

NAME = "stub:1"
LOG = "BIBWATCH_FAULTS_LOG"  # the file that every reading is noted in
READING_S = "BIBWATCH_FAULTS_READING_S"  # how long a reading takes
RUNNERS = "BIBWATCH_FAULTS_RUNNERS"  # how many bibs there are; with more photos than that, some show the same one
ABORTS, SLEEPS, EATS = 0x20000, 0x20001, 0x20002  # beyond the numbers of photos that behave
BITE = 64 * 2**20


class Stub:
    """As fast as the way around it; only the photos that a scenario means to be bad are."""

    name = NAME
    device = "nowhere"
    batch = 1
    decodes = False
    lack = None

    def __init__(self) -> None:
        self.stages = Stages()

    def read(self, images: "Sequence[Image]") -> Iterator[tuple[Reading, ...]]:
        return map(self._read, images)

    def _read(self, image: "Image") -> tuple[Reading, ...]:
        red, green, blue = (int(value) for value in image[0, 0])
        number = red << 16 | green << 8 | blue
        _note(number)
        time.sleep(float(os.environ.get(READING_S, "0.002")))
        _misbehave(number)
        return (Reading(bib_of(number, os.environ), 1.0, Box(0, 0, 1, 1), 1.0, NAME),)


def build(setup: EngineSetup, name: str) -> Stub:
    """In the place of bibwatch.read.engine.build."""
    return Stub()


def bib_of(number: int, environment: Mapping[str, str]) -> str:
    """The bib in the picture of this number."""
    runners = environment.get(RUNNERS)
    return str(number % int(runners) if runners else number)


def picture(number: int) -> bytes:
    """A PNG of the colour that tells this number."""
    import cv2  # the service imports this module too, and its memory is measured
    import numpy as np

    colour = (number & 255, number >> 8 & 255, number >> 16)  # OpenCV's order: blue first
    return bytes(cv2.imencode(".png", np.full((8, 8, 3), colour, np.uint8))[1])


def _note(number: int) -> None:
    # One short write to a file opened for appending is never torn, whoever is killed meanwhile.
    fd = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)


def _misbehave(number: int) -> None:
    if number == ABORTS:
        os.abort()
    if number == SLEEPS:
        time.sleep(3600)
    eaten = []
    while number == EATS:
        eaten.append(bytearray(os.urandom(4096) * (BITE // 4096)))
        time.sleep(0.05)
