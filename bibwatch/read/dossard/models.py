"""EasyOCR's model files: where they lie, what to do about missing ones, and how they are fetched."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from bibwatch.errors import EngineUnavailable

DETECTION, RECOGNITION = "craft_mlt_25k.pth", "english_g2.pth"
FRESH = ".fetching-"  # begins the name of a folder that a file is fetched into
SILENCE_S = 15.0  # of the network before a fetch is given up


def folder_of(given: Path | None) -> Path:
    """The folder that holds the files: the one given, or EasyOCR's own.

    Raises:
        EngineUnavailable: EasyOCR's own cannot be told.
    """
    if given is not None:
        return given
    home = os.environ.get("EASYOCR_MODULE_PATH") or os.environ.get("MODULE_PATH") or "~/.EasyOCR"
    try:
        return Path(home).expanduser() / "model"
    except RuntimeError as error:
        text = "this user has no home folder for EasyOCR's model files; name one: reader.dossard.easyocr_models"
        raise EngineUnavailable(text) from error


def missing_models(folder: Path) -> list[str]:
    """The names of the files that are not there.

    Raises:
        EngineUnavailable: the folder may not be looked into.
    """
    try:
        return [name for name in (DETECTION, RECOGNITION) if not (folder / name).is_file()]
    except OSError as error:
        text = f"{folder}: EasyOCR's model files cannot be looked at: {error.strerror}; mend its permissions"
        raise EngineUnavailable(text) from error


def how_to_get(folder: Path, names: Sequence[str]) -> str:
    """What is missing, where it belongs, and how to get it."""
    return (
        f"EasyOCR's model files {' and '.join(names)} are not in {folder}; on a machine with internet run "
        """`python -c "import easyocr; easyocr.Reader(['en'], recog_network='english_g2')"`, """
        f"which fetches both into ~/.EasyOCR/model, and copy them to {folder} (reader.dossard.easyocr_models)"
    )


def easyocr_reader(folder: Path, device: str, *, download: bool) -> Any:
    """EasyOCR's reader for digits and Latin letters, on a torch device; fetches missing files where it may.

    Raises:
        EngineUnavailable: a file is missing and cannot be had, or is damaged.
    """
    import easyocr

    missing = missing_models(folder)
    if missing and not download:
        raise EngineUnavailable(how_to_get(folder, missing))
    if missing:
        _fetch_missing(folder)
    # EasyOCR pins memory on a CPU too, and torch would say so for every child.
    warnings.filterwarnings("ignore", message="'pin_memory' argument")
    try:
        # Without downloads it never deletes a file that it takes for damaged.
        return easyocr.Reader(
            ["en"],
            recog_network="english_g2",
            gpu=False if device == "cpu" else device,
            quantize=False,
            model_storage_directory=str(folder),
            user_network_directory=str(folder),
            download_enabled=False,
            verbose=False,
        )
    except FileNotFoundError as error:
        text = "a model file is damaged, or of another version of EasyOCR; remove it and get it again"
        raise EngineUnavailable(f"{folder}: {text}: {error}") from error


@contextmanager
def bounded_silence() -> Iterator[None]:
    """Give up a network that says nothing: the libraries that fetch in here set no limit of their own."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(patience)


def _fetch_missing(folder: Path) -> None:
    with _one_at_a_time(folder):
        for stale in folder.glob(f"{FRESH}*"):  # of a process that was killed meanwhile
            shutil.rmtree(stale, ignore_errors=True)
        for name in missing_models(folder):  # another process may have fetched them by now
            _fetch(folder, name)


def _fetch(folder: Path, name: str) -> None:
    """Fetch one file with EasyOCR's own addresses and checksums; it appears whole or not at all."""
    from easyocr import config, easyocr, utils

    models = (config.detection_models["craft"], config.recognition_models["gen2"]["english_g2"])
    model = next(model for model in models if model["filename"] == name)
    try:
        with bounded_silence(), tempfile.TemporaryDirectory(prefix=FRESH, dir=folder) as fresh:
            utils.download_and_unzip(model["url"], name, fresh, verbose=False)
            if easyocr.calculate_md5(Path(fresh, name)) != model["md5sum"]:
                raise EngineUnavailable(f"{name} was fetched, but is damaged; {how_to_get(folder, [name])}")
            Path(fresh, name).replace(folder / name)
    except (OSError, HTTPException, BadZipFile, KeyError) as error:  # a portal's page comes as a broken zip
        raise EngineUnavailable(f"{name} cannot be fetched: {error}; {how_to_get(folder, [name])}") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let several reading processes that start together fetch only once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        missing = how_to_get(folder, (DETECTION, RECOGNITION))
        raise EngineUnavailable(f"{folder}: cannot be written to: {error.strerror}; {missing}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
