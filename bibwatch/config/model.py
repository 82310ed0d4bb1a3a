"""The config's keys, their types and their defaults."""

from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
LONGEST_BIB = 60  # characters; with a template around it, it still makes a folder name
Share = Annotated[float, Field(ge=0, le=1)]


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


class Section(BaseModel):
    """A frozen part of the config that knows no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchConfig(Section):
    """One watched folder."""

    path: Path
    recursive: bool = True
    poll_s: Seconds | None = None


class PhotosConfig(Section):
    """Which files are photos, and when one is complete."""

    extensions: tuple[str, ...] = (".jpg", ".jpeg", ".png")
    settle_s: Seconds = 1.0
    rescan_s: Seconds = 60.0
    ignore: tuple[str, ...] = ()

    @field_validator("extensions")
    @classmethod
    def _with_dot(cls, extensions: tuple[str, ...]) -> tuple[str, ...]:
        if not extensions:
            raise ValueError("name at least one extension, such as .jpg")
        for extension in extensions:
            if not extension.removeprefix(".").isalnum():
                raise ValueError(f"{extension!r} is no extension; write it as .jpg, and patterns below ignore")
        return tuple("." + extension.lower().removeprefix(".") for extension in extensions)


class DossardConfig(Section):
    """The notebook's engine."""

    weights: Path | None = None
    detection_threshold: Share = 0.2
    image_size: Annotated[int, Field(ge=32)] = 1000
    easyocr_models: Path | None = None
    download: bool = True
    certain_score: Share | None = None


class ReaderConfig(Section):
    """How photos are read."""

    engine: Literal["auto", "ppocr", "dossard"] = "auto"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    workers: Annotated[Annotated[int, Field(ge=1, le=256)] | None, BeforeValidator(_auto_is_none)] = None
    timeout_s: Annotated[Seconds | None, BeforeValidator(_auto_is_none)] = None
    attempts: Annotated[int, Field(ge=1)] = 3
    min_score: Share = 0.5
    dossard: DossardConfig = DossardConfig()

    @property
    def uses_dossard(self) -> bool:
        """Whether the engine is the notebook's; `auto` means so where weights are set."""
        return self.engine == "dossard" or (self.engine == "auto" and self.dossard.weights is not None)


class LinksConfig(Section):
    """The link tree."""

    root: Path = Path("bibs")
    mode: Literal["symlink", "hardlink", "copy"] = "symlink"
    relative: bool = True
    folder: str = "{bib}"

    @field_validator("folder")
    @classmethod
    def _one_folder_a_bib(cls, folder: str) -> str:
        try:
            fields = [field[1:] for field in Formatter().parse(folder) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"not a folder name: {error}") from error
        if fields != [("bib", "", None)]:
            raise ValueError('write {bib} once where the bib goes, and no other field, as in "{bib}" or "bib {bib}"')
        if "/" in folder or "\0" in folder or folder.startswith("."):
            raise ValueError("it names one folder: no slash, and no dot at the start")
        return folder


class Config(Section):
    """The whole config; every path absolute."""

    watch: tuple[WatchConfig, ...]
    photos: PhotosConfig = PhotosConfig()
    database: Path = Path("bibwatch.db")
    reader: ReaderConfig = ReaderConfig()
    targets: tuple[str, ...] | None  # None: every bib accepted, written `all`
    max_distance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    start_list: Path | None = None
    links: LinksConfig = LinksConfig()
    metrics: Path | None = None

    @field_validator("watch")
    @classmethod
    def _watches_something(cls, watch: tuple[WatchConfig, ...]) -> tuple[WatchConfig, ...]:
        if not watch:
            raise ValueError("name at least one folder to watch")
        return watch

    @field_validator("targets", mode="before")
    @classmethod
    def _bibs_or_all(cls, targets: object) -> object:
        if targets == "all":
            return None
        if targets is None:
            raise ValueError('write a list of bibs, such as ["2419", "2420"], or the word all')
        if isinstance(targets, str):
            raise ValueError(f'write a list, such as ["{targets}"], or the word all')
        return targets

    @field_validator("targets")
    @classmethod
    def _folder_names(cls, targets: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for bib in targets or ():
            if not bib.strip() or "/" in bib or "\0" in bib or bib.strip().startswith(".") or len(bib) > LONGEST_BIB:
                raise ValueError(f"{bib!r} is no bib: a bib is a short name for a folder, without slashes")
        return None if targets is None else tuple(dict.fromkeys(bib.strip() for bib in targets))
