"""What torch keeps of a training: written whole, and read with a word on what is amiss."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from bibwatch.errors import TrainingError
from bibwatch.files import whole_file


def save_whole(state: dict[str, Any], path: Path) -> None:
    """Write what torch makes of it; torch's own writing would turn Ctrl-C and a full disk into errors of its own."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with whole_file(path) as file:
        file.write(buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What was written for a training to go on from.

    Raises:
        TrainingError: there is no such file, or it is damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: nothing to go on from; begin without --resume") from error
    except Exception as error:  # torch.load raises anything for a damaged file
        raise TrainingError(f"{path}: cannot be gone on from: {error}") from error
    if not isinstance(state, dict) or "history" not in state:
        raise TrainingError(f"{path}: is not the state of a training")
    return state
