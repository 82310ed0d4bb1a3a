"""Engines that behave in ways a real one seldom does, built in real child processes."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bibwatch.errors import EngineBroken, EngineUnavailable
from bibwatch.read import engine
from bibwatch.read.engine import Engine, EngineSetup
from bibwatch.read.photo_file import Encoded, decoded
from bibwatch.read.stages import Stages
from bibwatch.values import Box, Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image, Picture

NAME = "scripted:1"
PIECE, MOST = 20 * 2**20, 600 * 2**20  # bytes that a greedy reading takes at a time, and altogether


class Scripted:
    """Reads the picture's width as its bib; does something else for the widths that a test gives a meaning."""

    name = NAME
    device = "here"
    batch = 1
    decodes = False
    lack: str | None = None

    def __init__(self) -> None:
        self.stages = Stages()

    def read(self, images: "Sequence[Image]") -> Iterator[tuple[Reading, ...]]:
        return map(self._read, images)

    def _read(self, image: "Image") -> tuple[Reading, ...]:
        height, width = image.shape[:2]
        if width == 666:
            os.abort()
        if width == 999:
            time.sleep(600)
        if width == 888:
            _take_memory()
        if width == 500:
            raise ValueError("no such tensor")
        if width == 777:
            raise EngineBroken("the GPU failed: CUDA error: unspecified launch failure")
        return (Reading(str(width), 1.0, Box(0, 0, width, height), 1.0, NAME),)


def _take_memory() -> None:
    """Take more and more, then hold it for a while."""
    taken = []
    for _ in range(MOST // PIECE):
        taken.append(b"x" * PIECE)
        time.sleep(0.02)
    time.sleep(30)


def scripted() -> Scripted:
    return Scripted()


class Batched(Scripted):
    """Takes four photos at a time, and says in each reading's score how many it got."""

    batch = 4

    def read(self, images: "Sequence[Image]") -> Iterator[tuple[Reading, ...]]:
        time.sleep(0.3)
        for photo in super().read(images):
            yield tuple(replace(reading, score=len(images) / self.batch) for reading in photo)


def batched() -> Batched:
    return Batched()


class Decoding(Batched):
    """Gets JPEG files as they are, and says in a reading's score whether the picture was one."""

    decodes = True

    def read(self, pictures: "Sequence[Picture]") -> Iterator[tuple[Reading, ...]]:
        for picture in pictures:
            for photo in Scripted.read(self, [decoded(picture)]):
                yield tuple(replace(reading, score=float(isinstance(picture, Encoded))) for reading in photo)


def decoding() -> Decoding:
    return Decoding()


def elsewhere() -> Scripted:
    """The scripted engine on another device."""
    made = Scripted()
    made.device = "there"
    return made


class Unhurried(Batched):
    """Takes four photos at a time, and most of a second for each."""

    def read(self, images: "Sequence[Image]") -> Iterator[tuple[Reading, ...]]:
        for photo in Scripted.read(self, images):
            time.sleep(0.8)
            yield photo


def unhurried() -> Unhurried:
    return Unhurried()


def missing() -> Scripted:
    raise EngineUnavailable("the model file is missing")


class CountingFile(Scripted):
    """Leaves a file for each reading, so that readings in several processes can be counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def read(self, images: "Sequence[Image]") -> Iterator[tuple[Reading, ...]]:
        (self._folder / f"{time.monotonic_ns()}-{os.getpid()}").touch()
        return super().read(images)


def with_checksums_aside(setup: EngineSetup, name: str) -> Engine:
    """The real engine, on EasyOCR files that a test made."""
    from tests.models import set_checksums_aside

    set_checksums_aside(pytest.MonkeyPatch())
    return engine.build(setup, name)


def scripted_as(setup: EngineSetup, name: str) -> Scripted:
    """The scripted engine under whichever name it is asked for."""
    made = Scripted()
    made.name = name
    return made
