"""Write the box files that a CSV of VGG Image Annotator asks for."""

from dataclasses import dataclass
from pathlib import Path

from bibwatch.errors import TrainingError
from bibwatch.files import must_be_new, whole_file
from bibwatch.train.boxes import box_file_of, boxes_as_text
from bibwatch.train.vgg import Annotated, read_vgg


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of a conversion."""

    files: int
    boxes: int
    problems: list[str]


def convert_vgg(path: Path, folder: Path, *, force: bool) -> Converted:
    """Write a box file for each photo in the CSV.

    A photo with regions of which none is a rectangle gets none: an empty file would say that it shows no dossard.

    Raises:
        TrainingError: the CSV cannot be used, or the folder cannot be made.
        BibwatchError: a box file is there already, and `force` is not given.
    """
    annotations = read_vgg(path)
    problems = list(annotations.problems)
    wanted: dict[Path, Annotated] = {}
    for photo in annotations.photos:
        place = box_file_of(Path(photo.name), folder)
        if not photo.tells_something:
            problems.append(f"{path}: {photo.name}: gets no box file, since none of its regions is a rectangle")
        elif place in wanted:
            problems.append(f"{path}: {photo.name}: gets no box file, since {wanted[place].name} has {place.name}")
        else:
            wanted[place] = photo
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be made: {error.strerror}") from error
    for place in wanted:
        must_be_new(place, force=force)
    for place, photo in wanted.items():
        with whole_file(place) as file:
            file.write(boxes_as_text(photo.boxes).encode())
    return Converted(len(wanted), sum(len(photo.boxes) for photo in wanted.values()), problems)
