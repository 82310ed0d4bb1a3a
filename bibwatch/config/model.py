"""The config's keys, their types and their defaults."""

import re
import warnings
from ipaddress import ip_address
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bibwatch.values import MAX_DIGITS, Effort, bib_fault

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
TOKEN = r"^[A-Za-z0-9._~-]{16,200}$"  # what a cookie holds as it is
Share = Annotated[float, Field(ge=0, le=1)]


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


def _pattern(written: object) -> object:
    """A regular expression in any letters; None for `auto`."""
    written = _auto_is_none(written)
    if not isinstance(written, str):
        return written
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(written, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"not a regular expression: {error or 'nested too deeply'}") from error


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
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+(,\d+)*)?)$")] = "auto"
    effort: Effort = "balanced"
    workers: Annotated[Annotated[int, Field(ge=1, le=256)] | None, BeforeValidator(_auto_is_none)] = None
    timeout_s: Annotated[Seconds | None, BeforeValidator(_auto_is_none)] = None
    attempts: Annotated[int, Field(ge=1)] = 3
    min_score: Share = 0.5
    dossard: DossardConfig = DossardConfig()

    @property
    def devices(self) -> list[str]:
        """One for each that `device` names: `cuda:0,1` is two."""
        kind, _, numbers = self.device.partition(":")
        return [f"{kind}:{number}" for number in numbers.split(",")] if numbers else [kind]

    @property
    def uses_dossard(self) -> bool:
        """Whether the engine is the notebook's; `auto` means so where weights are set."""
        return self.engine == "dossard" or (self.engine == "auto" and self.dossard.weights is not None)


class BibsConfig(Section):
    """What counts as a bib."""

    format: Annotated[re.Pattern[str] | None, BeforeValidator(_pattern)] = None
    min_digits: Annotated[int, Field(ge=1, le=MAX_DIGITS)] = 1
    max_digits: Annotated[int, Field(ge=1, le=MAX_DIGITS)] = MAX_DIGITS
    ignore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _some_length_is_left(self) -> Self:
        if self.min_digits > self.max_digits:
            raise ValueError(f"min_digits {self.min_digits} is more than max_digits {self.max_digits}")
        return self


class MatchConfig(Section):
    """How sure a bib must be."""

    accept: Annotated[Share | None, BeforeValidator(_auto_is_none)] = None
    burst_s: Annotated[float, Field(gt=0, le=10)] | None = None


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
        plain = {("bib", "", None), ("name", "", None)}
        if ("bib", "", None) not in fields or not plain.issuperset(fields) or len(set(fields)) < len(fields):
            text = (
                "write {bib} once where the bib goes, and {name} where the name in the start list may go, and no other "
            )
            raise ValueError(text + 'field, as in "{bib}", "bib {bib}" or "{bib}_{name}"')
        if re.search(r"\}[^\W_]*\{", folder):
            raise ValueError('write something else than letters between {bib} and {name}, as in "{bib}_{name}"')
        if "/" in folder or "\0" in folder or folder.startswith("."):
            raise ValueError("it names one folder: no slash, and no dot at the start")
        return folder

    @property
    def wants_names(self) -> bool:
        """Whether folders hold the name that the start list gives a bib."""
        return any(field[1] == "name" for field in Formatter().parse(self.folder))


class WebConfig(Section):
    """The page that people look at."""

    listen: str = "127.0.0.1:8350"
    token: Annotated[str, Field(pattern=TOKEN)] | None = None

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, listen: str) -> str:
        listener(listen)
        return listen

    @model_validator(mode="after")
    def _guarded_beyond_this_machine(self) -> Self:
        host, _ = self.listener
        if self.token is None and not ip_address(host).is_loopback:
            raise ValueError(
                f"listening on {host}, which other machines reach, needs a token: 16 or more letters and digits that "
                "people type to see the page; or listen on 127.0.0.1, or on [::1]"
            )
        return self

    @property
    def listener(self) -> tuple[str, int]:
        """The IP address and the port to listen on."""
        return listener(self.listen)


def listener(written: str) -> tuple[str, int]:
    """`127.0.0.1:8350`, `[::1]:8350` or `localhost:8350` as an IP address and a port; port 0 is any that is free."""
    host, _, port = written.rpartition(":")
    try:
        address = ip_address(host.removeprefix("[").removesuffix("]") if host != "localhost" else "127.0.0.1")
        if not (port.isascii() and port.isdigit() and int(port) < 2**16):
            raise ValueError
    except ValueError as error:
        raise ValueError(f"{written!r} is no address with a port, such as 127.0.0.1:8350 or [::1]:8350") from error
    return str(address), int(port)


class Config(Section):
    """The whole config; every path absolute."""

    watch: tuple[WatchConfig, ...]
    photos: PhotosConfig = PhotosConfig()
    database: Path = Path("bibwatch.db")
    reader: ReaderConfig = ReaderConfig()
    targets: tuple[str, ...] | None  # None: every bib accepted, written `all`
    max_distance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    bibs: BibsConfig = BibsConfig()
    match: MatchConfig = MatchConfig()
    start_list: Path | None = None
    links: LinksConfig = LinksConfig()
    metrics: Path | None = None
    web: WebConfig | None = None

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
            if fault := bib_fault(bib):
                raise ValueError(fault)
        return None if targets is None else tuple(dict.fromkeys(bib.strip() for bib in targets))
