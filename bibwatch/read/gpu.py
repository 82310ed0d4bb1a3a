"""Where torch computes: the device that a config names, and what an error of a GPU means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bibwatch.errors import EngineBroken, EngineUnavailable, PhotoOutOfReach

if TYPE_CHECKING:
    import torch

TROUBLE = re.compile("CUDA|cuDNN|cuBLAS", re.IGNORECASE)
WAY_OUT = "free it, name another one, or set reader.device to cpu"


def may_be_there() -> bool:
    """Whether this machine has a GPU, as far as can be told without loading torch, which takes seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def torch_device(device: str, threads: int) -> torch.device:
    """The device that a config names: auto, cpu, cuda or cuda:N.

    Raises:
        EngineUnavailable: a GPU is asked for, and torch sees none there.
    """
    kind, _, number = device.partition(":")
    if kind != "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"), int(number or 0))
    import torch

    if kind != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if kind == "cuda":
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise EngineUnavailable(
            f"device {device} was asked for, but torch {torch.__version__} ({built}) sees no such GPU; "
            "see what `nvidia-smi` says, or set reader.device to cpu"
        )
    torch.set_num_threads(threads)
    return torch.device("cpu")


def visible_gpu(visible: str | None, index: int) -> str:
    """What CUDA_VISIBLE_DEVICES should be, so that of the GPUs it shows now only the one at `index` is seen.

    EasyOCR spreads itself over every GPU it sees, and expects to begin with the first. Empty means none at all.
    """
    if visible is None:
        return str(index)
    shown = [gpu.strip() for gpu in visible.split(",")]
    return shown[index] if index < len(shown) else ""


def device_name(device: torch.device) -> str:
    """The device, for people."""
    import torch

    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"


@contextmanager
def troubles_told() -> Iterator[None]:
    """Tell a GPU's errors in the rooms' words.

    Raises:
        EngineBroken: the GPU failed, and will fail until the process is a new one.
        PhotoOutOfReach: the GPU has no memory left, which others may give back.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise PhotoOutOfReach(f"the GPU has too little memory left: {error}") from error
    except RuntimeError as error:
        if TROUBLE.search(str(error)):
            raise EngineBroken(f"the GPU failed: {error}") from error
        raise
