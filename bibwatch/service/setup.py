"""The config in the rooms' own words: they never see it as a whole."""

import os
from dataclasses import dataclass
from pathlib import Path

from bibwatch.config import Config
from bibwatch.link.plan import Layout
from bibwatch.match.decide import Rules
from bibwatch.read.engine import EngineSetup
from bibwatch.values import Targets
from bibwatch.watch.names import PhotoNames, WatchedFolder


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
    """The engine the config asks for; the config's checks leave only what this version has."""
    return EngineSetup("ppocr", "cpu")


def workers_for(wish: int | None) -> int:
    """How many children to start: the wish, or one a core that this process may use."""
    return wish or len(os.sched_getaffinity(0))


def rules(config: Config) -> Rules:
    """How readings become bibs, and which bibs get a folder."""
    targets = Targets(None if config.targets is None else frozenset(config.targets))
    return Rules(targets, config.max_distance, config.reader.min_score, config.links.folder)


def layout(config: Config) -> Layout:
    """How links are made."""
    return Layout(config.links.root, config.links.mode, config.links.relative)
