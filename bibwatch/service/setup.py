"""The config in the rooms' own words: they never see it as a whole."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bibwatch.config import Config, ReaderConfig
from bibwatch.config.faults import GPU_PACKAGES, missing_packages
from bibwatch.errors import ConfigError, EngineUnavailable, StartListError
from bibwatch.link.plan import Layout
from bibwatch.match.decide import Rules
from bibwatch.match.event import Event
from bibwatch.match.naming import BibRules
from bibwatch.match.startlist import MAX_BYTES, StartList, parse_start_list
from bibwatch.read import engine
from bibwatch.read.dossard.setup import DossardSetup
from bibwatch.read.engine import EngineSetup
from bibwatch.read.gpu import may_be_there
from bibwatch.read.pool import Pool
from bibwatch.read.worker import Limits
from bibwatch.store.store import Store
from bibwatch.values import Targets, shown
from bibwatch.watch.names import PhotoNames, WatchedFolder

MEMORY_SHARE = 0.8  # of the machine's, for all children together
LEAST_MEMORY = 3 * 2**29  # bytes; engine ppocr takes half of it at 38 megapixels
LEAST_MEMORY_GPU = 6 * 2**30  # bytes; torch's libraries for a GPU alone take gigabytes
ACCEPT, ACCEPT_LISTED = 0.5, 0.75  # of a bib's probability, without a start list and with one; see docs/accuracy.md
GPU_WORKERS = 2  # for one GPU of 8 GB: each takes up to 4 GB of it; with more, more of them are faster: docs/speed.md
LOAD_S = 300.0  # for an engine to load
FETCH_S = 3600.0  # where it has to fetch 100 MB first; a silent network is given up long before


@dataclass(frozen=True, slots=True)
class Watching:
    """What is watched."""

    folders: tuple[WatchedFolder, ...]
    names: PhotoNames

    @classmethod
    def of(cls, config: Config) -> "Watching":
        """The config's folders and photo names."""
        folders = tuple(WatchedFolder(folder.path, folder.recursive, folder.poll_s) for folder in config.watch)
        return cls(folders, PhotoNames(frozenset(config.photos.extensions), config.photos.ignore))

    def covers(self, path: Path) -> bool:
        """Whether a file is a photo of one of the folders."""
        return any(folder.covers_photo(path, self.names) for folder in self.folders)


def engine_setup(config: Config) -> EngineSetup:
    """The engine that the config asks for."""
    reader, dossard = config.reader, config.reader.dossard
    if not reader.uses_dossard:
        return EngineSetup(reader.device if _may_use_gpu(reader) else "cpu", threads=1, effort=reader.effort)
    assert dossard.weights is not None  # the config's checks see to it
    settings = DossardSetup(
        dossard.weights,
        dossard.detection_threshold,
        dossard.image_size,
        dossard.easyocr_models,
        dossard.download,
        dossard.certain_score,
    )
    return EngineSetup(reader.device, max(1, _cores() // workers_for(config)), dossard=settings)


def engine_name(config: Config, store: Store) -> str:
    """The fingerprint of the config's engine; where its files are away, the one that was in force last.

    Empty where there is none: then a photo shows what was read last.
    """
    reader = config.reader
    if not reader.uses_dossard or reader.dossard.weights is not None:
        with suppress(EngineUnavailable):
            return engine.fingerprint(engine_setup(config))
    _, health = store.pulse.last() or (0.0, {})
    return str(health.get("engine", ""))


def pool_for(config: Config, fingerprint: str, photos: int | None = None) -> Pool:
    """The reading children that the config asks for, with this engine, not started; no more than there are photos."""
    setup, workers = engine_setup(config), workers_for(config)
    devices = [setup.device] if setup.device == "cpu" else config.reader.devices
    builds = [partial(engine.build, replace(setup, device=device), fingerprint) for device in devices]
    least = LEAST_MEMORY if setup.device == "cpu" else LEAST_MEMORY_GPU
    limits = Limits(timeout_for(config), _load_time(setup), _memory_for(workers, least))
    return Pool(builds, workers if photos is None else min(workers, photos), limits)


def workers_for(config: Config) -> int:
    """How many children to start: as the config says, or one a core; on GPUs, and of dossard, which uses the whole
    machine, some for each device.
    """
    reader = config.reader
    if reader.workers:
        return reader.workers
    if not (reader.uses_dossard or _may_use_gpu(reader)):
        return _cores()
    return len(reader.devices) * (1 if reader.uses_dossard else min(GPU_WORKERS, _cores()))


def _may_use_gpu(reader: ReaderConfig) -> bool:
    if reader.device == "auto":
        return not missing_packages(GPU_PACKAGES) and may_be_there()
    return reader.device.startswith("cuda")


def timeout_for(config: Config) -> float:
    """Seconds for one photo: as the config says, or a minute; ten for dossard where it may run without a GPU.

    Two cores take it a minute for the four looks at one large dossard.
    """
    reader = config.reader
    slow = reader.uses_dossard and not reader.device.startswith("cuda")
    return reader.timeout_s or (600.0 if slow else 60.0)


def reading_part(config: Config) -> ReaderConfig:
    """The part of the config that readings depend on; what counts as a bib does not."""
    return config.reader.model_copy(update={"min_score": 0.0})


def rules(config: Config, event: Event) -> Rules:
    """How readings become bibs in this event, and which bibs get a folder.

    Raises:
        ConfigError: the file of the start list is not one.
    """
    entrants = None if config.start_list is None else read_start_list(config.start_list)
    bibs = BibRules(
        event,
        config.bibs.format,
        config.bibs.min_digits,
        config.bibs.max_digits,
        frozenset(bib.upper() for bib in config.bibs.ignore),
        asked_bibs(config.targets or ()),
        entrants,
    )
    accept = config.match.accept
    if accept is None:
        accept = ACCEPT if entrants is None else ACCEPT_LISTED
    targets = Targets(None if config.targets is None else frozenset(config.targets))
    low, folder, burst_s = config.reader.min_score, config.links.folder, config.match.burst_s
    told = low if config.match.accept is None else accept
    return Rules(targets, config.max_distance, low, accept, told, folder, bibs, burst_s)


def asked_bibs(bibs: Iterable[str]) -> dict[str, str]:
    """Bibs as `BibRules` take them."""
    return {bib.upper(): bib for bib in bibs}


def read_start_list(path: Path) -> StartList:
    """The start list in a file.

    Raises:
        ConfigError: it is not one, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return parse_start_list(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError([f"start_list: {shown(path)}: cannot be read: {error.strerror}"]) from error
    except StartListError as error:
        raise ConfigError([f"start_list: {shown(path)}: {error}"]) from error


def layout(config: Config) -> Layout:
    """How links are made."""
    return Layout(config.links.root, config.links.mode, config.links.relative)


def _load_time(setup: EngineSetup) -> float:
    """Seconds for the engine to load."""
    try:
        fetches = setup.dossard is not None and setup.dossard.download and engine.missing_files(setup) is not None
    except EngineUnavailable:
        return LOAD_S  # the child will say why
    return FETCH_S if fetches else LOAD_S


def _memory_for(workers: int, least: int) -> int:
    """Bytes that each child may take: together most of the machine's memory, and enough for the largest photo."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(least, int(total * MEMORY_SHARE) // workers)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
