"""Read the config file and check it as a whole."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bibwatch.config.document import Document, Place, key_of
from bibwatch.config.faults import file_fault, reader_faults, web_faults
from bibwatch.config.model import Config, DossardConfig, ReaderConfig, WatchConfig, WebConfig
from bibwatch.errors import ConfigError
from bibwatch.mounts import mounted, network_of

LISTED_OR_LEFT_OUT = {"watch": WatchConfig, "web": WebConfig}  # sections whose type says more than which they are


def load_config(
    path: Path, *, running: Config | None = None, need_folders: bool = True, need_engine: bool = True
) -> Config:
    """Read and check the config file; relative paths are relative to it.

    `running` is the config in force, if any: a folder watched already may be missing for a while. Questions to the
    database need neither the folders nor the engine.

    Raises:
        ConfigError: with every problem, each naming the file, the key and, where there is one, the line.
    """
    document = Document(path, _text_of(path))
    config = _validated(document)
    if config is not None:
        try:
            config = _absolute(config, path.absolute().parent)
            faults = [_faults(config, running, need_folders=need_folders)]
            faults += [reader_faults(config.reader), web_faults(config.web)] if need_engine else []
            for place, text in chain.from_iterable(faults):
                document.report(place, text)
        except (OSError, RuntimeError, ValueError) as error:  # ~nobody, a circle of links, a zero byte
            document.report((), f"a path in it cannot be followed: {error}")
    if config is None or document.problems:
        raise ConfigError(document.problems)
    return config


def with_reader(config: Config, engine: str | None, device: str | None) -> Config:
    """The config with another engine or device, as the command line may ask for.

    Raises:
        ConfigError: there is no such thing, or not here.
    """
    given = {key: value for key, value in (("engine", engine), ("device", device)) if value is not None}
    try:
        reader = ReaderConfig.model_validate(config.reader.model_dump() | given)
    except ValidationError as error:
        raise ConfigError(
            f"{key_of(('reader', *fault['loc']))}: {_explain(fault)}" for fault in error.errors()
        ) from error
    config = config.model_copy(update={"reader": reader})
    problems = [f"{key_of(place)}: {text}" for place, text in reader_faults(config.reader)]
    if problems:
        raise ConfigError(problems)
    return config


def find_database(path: Path) -> tuple[Path, list[str]]:
    """Where the database is, and the config's problems if any: a service runs on while its config file is broken."""
    try:
        return load_config(path, need_folders=False).database, []
    except ConfigError as error:
        problems = list(error.problems)
    # Whatever else is broken, the line that names the database is most often whole.
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    line = re.search(r"^database:[ \t]+[\"']?([^\"'#\n]+)", text, re.MULTILINE)
    database = Path(line[1].strip()) if line else Config.model_fields["database"].default
    return _whole(path.absolute().parent, database), problems


def _text_of(path: Path) -> str:
    try:
        if path.is_fifo():
            raise ConfigError([f"{path}: is a pipe; a service reads its config again and again, so name a file"])
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: no such config file; name one with -c, or copy config.example.yaml"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text: {error.reason} at byte {error.start}"]) from error


def _validated(document: Document) -> Config | None:
    """The config, less the values that are wrong and were reported; None where too little is left to go on."""
    try:
        return Config.model_validate(document.values)
    except ValidationError as error:
        for fault in error.errors():
            document.report(fault["loc"], _explain(fault))
        rest = document.without([fault["loc"] for fault in error.errors()])
    try:
        return Config.model_validate({"targets": "all"} | rest)
    except ValidationError:
        return None


def _explain(fault: Any) -> str:
    """A pydantic error in a person's words."""
    given = repr(fault["input"])
    match fault["type"]:
        case "extra_forbidden":
            text = f"no such key{_did_you_mean(fault['loc'])}"
        case "missing":
            text = "this key is needed"
        case "value_error":
            text = str(fault["ctx"]["error"])
        case "model_type" | "model_attributes_type":
            text = f"expected keys and values below it, not {given}"
        case "tuple_type":
            text = f"expected a list, not {given}"
        case "string_pattern_mismatch" if fault["loc"][-1] == "token":
            text = "a token is 16 or more letters and digits, perhaps with - . _ ~ among them"
        case "string_pattern_mismatch":
            text = f"{given} is none of auto, cpu, cuda, cuda:0, cuda:1, ..."
        case _:
            text = f"{fault['msg'].removeprefix('Input ')}, not {given}"
    return text


def _did_you_mean(place: Place) -> str:
    section: Any = Config
    for part in place[:-1]:
        if isinstance(part, str):
            section = LISTED_OR_LEFT_OUT.get(part) or section.model_fields[part].annotation
    near = get_close_matches(str(place[-1]), section.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; the keys here are {', '.join(section.model_fields)}"


def _absolute(config: Config, base: Path) -> Config:
    """The config with every path absolute, `~` expanded and `..` resolved."""

    def with_paths(section: DossardConfig) -> DossardConfig:
        paths = {"weights": section.weights, "easyocr_models": section.easyocr_models}
        return section.model_copy(update={key: _whole(base, path) for key, path in paths.items() if path})

    reader = config.reader.model_copy(update={"dossard": with_paths(config.reader.dossard)})
    watch = tuple(folder.model_copy(update={"path": _whole(base, folder.path)}) for folder in config.watch)
    links = config.links.model_copy(update={"root": _whole(base, config.links.root)})
    database = _whole(base, config.database)
    metrics = config.metrics and _whole(base, config.metrics)
    # A link that is turned to another list is followed, so it is not resolved.
    entrants = config.start_list and base / config.start_list.expanduser()
    own = {"watch": watch, "reader": reader, "links": links, "database": database}
    return config.model_copy(update=own | {"metrics": metrics, "start_list": entrants})


def _whole(base: Path, path: Path) -> Path:
    return (base / path.expanduser()).resolve()


def _faults(config: Config, running: Config | None, *, need_folders: bool) -> Iterator[tuple[Place, str]]:
    """What is wrong with values that are each well-formed."""
    known = {folder.path for folder in running.watch} if running else set()
    for index, folder in enumerate(config.watch):
        place: Place = ("watch", index, "path")
        if need_folders and folder.path not in known and (fault := _folder_fault(folder.path)):
            yield place, f"{folder.path}: {fault}"
        yield from ((place, text) for text in _overlaps(folder, config.watch[:index]))
        if config.links.root.is_relative_to(folder.path) or folder.path.is_relative_to(config.links.root):
            text = f"{config.links.root} and the watched folder {folder.path} lie one inside the other; "
            yield ("links", "root"), text + "links would be read as photos, so put it elsewhere"
        if config.database.is_relative_to(folder.path):
            yield ("database",), f"{config.database} lies in the watched folder {folder.path}, which is only ever read"
    if config.links.root.exists() and not config.links.root.is_dir():
        yield ("links", "root"), f"{config.links.root}: not a folder"
    if config.metrics is not None:
        must_be_there = need_folders and running is None
        if fault := _metrics_fault(config, config.metrics, must_be_there=must_be_there):
            yield ("metrics",), f"{config.metrics}: {fault}"
    if need_folders and config.start_list is not None and (fault := file_fault(config.start_list)):
        yield ("start_list",), f"{config.start_list}: {fault}"
    if config.links.wants_names and config.start_list is None:
        yield ("links", "folder"), "names come from a start list; set start_list, or leave {name} out"
    yield from ((("database",), text) for text in _database_faults(config, running))


def _database_faults(config: Config, running: Config | None) -> Iterator[str]:
    path = config.database
    if path.is_dir() or path.is_relative_to(config.links.root):
        yield f"{path}: a folder, or inside the link root; name a file of its own"
    if kind := network_of(path, mounted()):
        yield f"{path} lies on a network share ({kind}), where SQLite's locks do not hold; name a file on a local disk"
    if running is not None and path != running.database:
        yield f"a running service keeps its database {running.database}; restart it to change that"


def _metrics_fault(config: Config, path: Path, *, must_be_there: bool) -> str | None:
    if path.suffix != ".prom":
        return "node_exporter reads only files whose names end in .prom"
    if any(path.is_relative_to(folder.path) for folder in config.watch):
        return "lies in a watched folder, which is only ever read"
    if must_be_there and (not path.parent.is_dir() or path.is_dir()):
        return "name a file in a folder that is there"
    return None


def _folder_fault(path: Path) -> str | None:
    if not os.access(path, os.F_OK):
        return "no such folder; make it, or mount it, first"
    if not path.is_dir():
        return "not a folder"
    return None if os.access(path, os.R_OK | os.X_OK) else "this user may not read it; mend its permissions"


def _overlaps(folder: WatchConfig, others: Iterable[WatchConfig]) -> Iterator[str]:
    for other in others:
        if folder.path == other.path:
            yield f"{folder.path}: watched twice"
        elif folder.path.is_relative_to(other.path) and other.recursive:
            yield f"{folder.path}: lies inside {other.path}, which is watched with its sub-folders"
        elif other.path.is_relative_to(folder.path) and folder.recursive:
            yield f"{folder.path}: {other.path} inside it is watched already"
