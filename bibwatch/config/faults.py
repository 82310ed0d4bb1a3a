"""What is amiss around a config: packages that are not installed, files that are not there."""

import os
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from bibwatch.config.document import Place
from bibwatch.config.model import ReaderConfig, WebConfig

DOSSARD_PACKAGES = ("torch", "torchvision", "easyocr")  # what the extra `dossard` installs
GPU_PACKAGES = ("torch", "onnx2torch")  # of what the extra `gpu` installs
WEB_PACKAGES = ("starlette", "uvicorn", "jinja2")  # what the extra `web` installs


def reader_faults(reader: ReaderConfig) -> Iterator[tuple[Place, str]]:
    """Why the photos cannot be read as the config asks, each with its place there."""
    devices = len(reader.devices)
    if reader.workers is not None and reader.workers < devices:
        yield ("reader", "workers"), f"{devices} GPUs need as many reading processes at least; name fewer, or use auto"
    if not reader.uses_dossard:
        if (missing := missing_packages(GPU_PACKAGES)) and reader.device.startswith("cuda"):
            text = f"engine ppocr needs {missing} on a GPU, not installed here: pip install 'bibwatch[gpu]'"
            yield ("reader", "device"), text
        return
    if missing := missing_packages(DOSSARD_PACKAGES):
        text = f"engine dossard needs {missing}, not installed here: pip install 'bibwatch[dossard]'"
        yield ("reader", "engine"), text
    weights, place = reader.dossard.weights, ("reader", "dossard", "weights")
    if weights is None:
        yield place, "engine dossard needs the file with your fine-tuned weights (.pt)"
    elif fault := file_fault(weights):
        yield place, f"{weights}: {fault}"


def web_faults(web: WebConfig | None) -> Iterator[tuple[Place, str]]:
    """Why the page cannot be served, if it is asked for."""
    if web is not None and (missing := missing_packages(WEB_PACKAGES)):
        yield ("web",), f"the page needs {missing}, not installed here: pip install 'bibwatch[web]'"


def missing_packages(packages: Iterable[str]) -> str:
    """Those that are not installed, for people; empty where all are."""
    return ", ".join(package for package in packages if find_spec(package) is None)


def file_fault(path: Path) -> str | None:
    """Why this is no file to be read, or None."""
    try:
        if not path.is_file():
            return "not a file" if path.exists() else "no such file"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return None if os.access(path, os.R_OK) else "this user may not read it; mend its permissions"
