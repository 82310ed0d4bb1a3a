"""What a teacher read in photos, kept in a file; and which photos these are, by their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bibwatch.errors import TrainingError
from bibwatch.files import whole_file
from bibwatch.train.scenes import refuse


def read_lines(path: Path) -> dict[str, Any]:
    """The lines of a whole folder of photos, as `lessons` takes them.

    Raises:
        TrainingError: the file is no such file.
    """
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(told, dict):
        raise TrainingError(f"{path}: must hold an object with the lines of each photo by its name")
    return told


def lines_still_right(path: Path, contents: Mapping[Path, str]) -> dict[str, Any]:
    """Those lines of a file that `keep_lines` wrote whose photos are still the same; none where there is no file.

    Raises:
        TrainingError: the file is no such file.
    """
    told = read_lines(path) if path.is_file() else {}
    names = {photo.name: content for photo, content in contents.items()}
    return {name: of_photo for name, of_photo in told.items() if names.get(name) == of_photo["content"]}


def keep_lines(lines: Mapping[str, Any], contents: Mapping[Path, str], path: Path) -> None:
    """Write lines with the contents of the photos that they were read in."""
    names = {photo.name: content for photo, content in contents.items()}
    told = {name: {"content": names[name], **of_photo} for name, of_photo in lines.items()}
    with whole_file(path) as file:
        file.write(json.dumps(told).encode())


def contents_of(photos: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each photo.

    Raises:
        TrainingError: naming those that cannot be read, ten at most.
    """
    contents, problems = {}, []
    for photo in photos:
        try:
            contents[photo] = hashlib.sha256(photo.read_bytes()).hexdigest()
        except OSError as error:
            problems.append(f"{photo}: cannot be read: {error.strerror}")
    refuse(problems)
    return contents


def refuse_labelled(contents: Mapping[Path, str], labelled: Iterable[Path]) -> None:
    """Refuse photos that stand among labelled ones, by content: what was trained on cannot be measured on.

    Raises:
        TrainingError: naming those photos, ten at most, or labelled ones that cannot be read.
    """
    kept_apart = {content: photo for photo, content in contents_of(labelled).items()}
    told = "has the content of the labelled photo"
    refuse([f"{photo}: {told} {kept_apart[of]}" for photo, of in contents.items() if of in kept_apart])
