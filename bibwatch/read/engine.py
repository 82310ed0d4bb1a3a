"""What an engine is, and which one a setup asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bibwatch.errors import EngineUnavailable
from bibwatch.read.dossard.setup import DossardSetup
from bibwatch.read.stages import Stages
from bibwatch.values import Effort, Reading

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Picture
    from bibwatch.read.ppocr.networks import Networks


class Engine(Protocol):
    """Turns pixels into readings."""

    name: str  # with a mark of its models and settings
    device: str  # where it runs, for people
    lack: str | None  # why it does not run where it would run faster
    batch: int  # photos it reads best at once
    decodes: bool  # whether it would rather have JPEG files than pictures
    stages: Stages  # where its time goes

    def read(self, pictures: Sequence[Picture]) -> Iterator[tuple[Reading, ...]]:
        """Every text with a digit in each upright (H, W, 3) uint8 RGB picture, in turn; none is an empty tuple.

        Raises:
            EngineBroken: it can read nothing more in this process.
            PhotoUnreadable: a file given to an engine that decodes is damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """Which engine, and on what; picklable, so that a child process can build it."""

    device: str  # auto, cpu, cuda or cuda:N
    threads: int  # for one engine on the CPU, where it can use several
    effort: Effort = "balanced"  # of the engine ppocr
    dossard: DossardSetup | None = None  # None: the engine ppocr

    @property
    def name(self) -> Literal["ppocr", "dossard"]:
        """The engine's name."""
        return "ppocr" if self.dossard is None else "dossard"


def fingerprint(setup: EngineSetup) -> str:
    """Name of the engine with a mark of its models and settings: the same mark means the same readings.

    Raises:
        EngineUnavailable: a model file or package is missing.
    """
    if setup.dossard is None:
        from bibwatch.read.ppocr import models

        return models.fingerprint(setup.effort)
    from bibwatch.read.dossard import engine

    return engine.fingerprint(setup.dossard)


def missing_files(setup: EngineSetup) -> str | None:
    """What is not there yet of the files that the engine would fetch when it loads, and how to get it."""
    if setup.dossard is None:
        return None
    from bibwatch.read.dossard.models import folder_of, how_to_get, missing_models

    folder = folder_of(setup.dossard.easyocr_models)
    missing = missing_models(folder)
    return how_to_get(folder, missing) if missing else None


def build(setup: EngineSetup, name: str) -> Engine:
    """Load the models, in a child process; takes about two seconds for ppocr, and ten for dossard.

    `name` is the fingerprint that its readings will be stored under.

    Raises:
        EngineUnavailable: a model file, a package or the device is missing, or the files make another engine by now.
    """
    engine = _built(setup)
    if engine.name != name:
        raise EngineUnavailable(
            f"the model files of engine {setup.name} have changed since bibwatch read its config; save the config or "
            "reload the service, and the photos are read with the new ones"
        )
    return engine


def _built(setup: EngineSetup) -> Engine:
    if setup.dossard is None:
        return _ppocr(setup)
    from bibwatch.read.dossard.engine import DossardEngine

    return DossardEngine(setup.dossard, setup.device, setup.threads)


def _ppocr(setup: EngineSetup) -> Engine:
    from bibwatch.read.ppocr.engine import PpocrEngine
    from bibwatch.read.ppocr.models import fingerprint

    networks, lack = _networks(setup)
    return PpocrEngine(networks, setup.effort, fingerprint(setup.effort), lack)


def _networks(setup: EngineSetup) -> tuple[Networks[Any], str | None]:
    """On the device asked for; `auto` takes a GPU that computes, else the processor, and says why."""
    from bibwatch.read.ppocr.on_cpu import CpuNetworks

    if setup.device == "cpu":
        return CpuNetworks(setup.effort), None
    try:
        from bibwatch.read.ppocr.on_gpu import GpuNetworks

        return GpuNetworks("cuda" if setup.device == "auto" else setup.device), None
    except Exception as error:  # libraries that do not fit each other raise anything when they are imported
        if setup.device != "auto":
            raise
        return CpuNetworks(setup.effort), f"{type(error).__name__}: {error}"
