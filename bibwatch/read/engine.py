"""What an engine is, and which one a setup asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bibwatch.errors import EngineUnavailable
from bibwatch.values import Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image


class Engine(Protocol):
    """Turns pixels into readings."""

    def read(self, image: Image) -> tuple[Reading, ...]:
        """Every text with a digit in an upright (H, W, 3) uint8 RGB picture; none is an empty tuple."""
        ...


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """Which engine, and on what; picklable, so that a child process can build it."""

    name: Literal["ppocr"]
    device: Literal["cpu"]


def fingerprint(setup: EngineSetup) -> str:
    """Name of the engine with a mark of its models and settings: the same mark means the same readings.

    Raises:
        EngineUnavailable: a model file or package is missing.
    """
    from bibwatch.read import ppocr

    return ppocr.fingerprint()


def build(setup: EngineSetup) -> Engine:
    """Load the models; takes about two seconds, in a child process.

    Raises:
        EngineUnavailable: a model file, a package or the device is missing.
    """
    from bibwatch.read import ppocr

    if setup.device != "cpu":
        raise EngineUnavailable(f"engine {setup.name} runs on the cpu only")
    return ppocr.PpocrEngine()
