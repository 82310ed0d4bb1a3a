"""The notebook's CSV in and out of the database."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError, PhotoError
from bibwatch.files import whole_file
from bibwatch.labels import NUMBER, Label, LabelFile, distinct_names, labels_as_text, lines_of, read_labels
from bibwatch.read.dossard.square import Square
from bibwatch.read.photo_file import load, upright_size
from bibwatch.service.setup import Watching, engine_name
from bibwatch.store.imports import Labelled
from bibwatch.store.lock import ServiceLock
from bibwatch.store.schema import IMPORTED
from bibwatch.store.store import Store
from bibwatch.values import Photo, Reading, ReadPhoto, shown
from bibwatch.watch.walk import walk


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    rows: int  # in the file
    kept: int  # rows whose photo was found and read
    photos: int  # that they belong to
    unnamed: int  # photos in the watched folders that the file does not name
    problems: list[str]  # each with its lines


def export_labels(config: Config, path: Path) -> int:
    """Write the CSV; returns how many rows it has.

    Texts that are not made of digits only are left out, as the notebook's merging does.

    Raises:
        DatabaseMissing: nothing was ever read with this config.
        BibwatchError: the file cannot be written.
    """
    image_size = config.reader.dossard.image_size
    with closing(Store.open_read_only(config.database)) as store:
        photos = sorted(store.readings.read_photos(engine_name(config, store)), key=lambda photo: photo.path)
        # A running service may add photos and remove them between the two questions.
        names = distinct_names({*store.queue.paths(), *(photo.path for photo in photos)})
    labels = [label for photo in photos for label in _labels(photo, names[photo.path], image_size)]
    with whole_file(path) as file:
        file.write(labels_as_text(labels).encode("utf-8", "surrogateescape"))
    return len(labels)


def import_labels(config: Config, path: Path, tell: Callable[[int, int], None], *, replace: bool) -> Imported:
    """Store the rows of a CSV as readings of the photos they name; `tell` hears how many photos of all are done.

    They replace what was imported for these photos before, or, with `replace`, all that was ever imported.

    Raises:
        CouldNotStart: a running service tends the database.
        BibwatchError: the file is no such CSV, or it is to replace all imports and holds nothing.
    """
    lock = ServiceLock(config.database)
    lock.take()
    try:
        file = read_labels(path, config.reader.dossard.image_size)
        problems = list(file.problems)
        standing = _standing(config)
        named = _named(path, file, standing, problems)
        labelled = _Labelled(config.reader.dossard.image_size)
        for number, (photo, lines) in enumerate(named.items(), start=1):
            fault = labelled.add(photo, [file.labels[line] for line in lines])
            if fault:
                problems.append(f"{_where(path, lines)}: {shown(photo.path)}: {fault}")
            tell(number, len(named))
        if replace and problems and not labelled.rows:
            raise BibwatchError(f"nothing is replaced, since no row could be taken; the first problem: {problems[0]}")
        with closing(Store.open(config.database)) as store:
            store.imports.keep(labelled.contents(), time.time(), replace=replace)
    finally:
        lock.release()
    rows = len(file.labels) + len(file.problems)
    photos = sum(len(found) for found in standing.values())
    return Imported(rows, labelled.rows, labelled.photos, photos - labelled.photos, problems)


def _labels(photo: ReadPhoto, name: str, image_size: int) -> Iterator[Label]:
    square = Square(photo.width, photo.height, image_size)
    for reading in photo.readings:
        text = reading.text.strip()
        if NUMBER.fullmatch(text):
            box = reading.square_box or square.from_photo(reading.box)
            yield Label(name, box, reading.detection_score, text, reading.score)


def _standing(config: Config) -> dict[str, list[Photo]]:
    """File name -> the photos of that name in the watched folders."""
    watching = Watching.of(config)
    found: dict[str, list[Photo]] = defaultdict(list)
    for folder in watching.folders:
        for listing in walk(folder.path, watching.names, recursive=folder.recursive):
            for name, stamp in listing.photos.items():
                found[name].append(Photo(listing.folder / name, stamp.size, stamp.mtime_ns))
    return found


def _named(
    path: Path, file: LabelFile, standing: dict[str, list[Photo]], problems: list[str]
) -> dict[Photo, list[int]]:
    """Photo -> the lines that name it, by its file name or with folders before that."""
    named: dict[Photo, list[int]] = defaultdict(list)
    for name, lines in lines_of(file.labels).items():
        end = Path(name).parts
        photos = [photo for photo in standing.get(end[-1], ()) if photo.path.parts[-len(end) :] == end]
        if len(photos) == 1:
            named[photos[0]] += lines
        elif photos:
            places = ", ".join(shown(photo.path) for photo in photos)
            text = f"several photos have this name: {places}; write the folder before the name, as in cam1/{end[-1]}"
            problems.append(f"{_where(path, lines)}: {shown(name)}: {text}")
        else:
            problems.append(f"{_where(path, lines)}: {shown(name)}: no photo of this name in the watched folders")
    return named


def _where(path: Path, lines: list[int]) -> str:
    return f"{path}, line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"


class _Labelled:
    """The readings that a file's rows stand for, by the content of their photos."""

    def __init__(self, image_size: int) -> None:
        self._image_size = image_size
        self._contents: dict[bytes, Labelled] = {}
        self.rows = 0
        self.photos = 0

    def add(self, photo: Photo, labels: Iterable[Label]) -> str | None:
        """Take in a photo's rows; why that cannot be done, or None."""
        try:
            loaded = load(photo)
            width, height = upright_size(loaded.data)
        except (OSError, PhotoError) as error:
            return str(error)
        square = Square(width, height, self._image_size)
        readings = [_reading(label, square) for label in labels]
        self.rows += len(readings)
        self.photos += 1
        known = self._contents.get(loaded.content, Labelled(loaded.content, (), width, height, ()))
        # Copies of one photo are one content: what the file says of each is said of it once.
        together = tuple(dict.fromkeys((*known.readings, *readings)))
        self._contents[loaded.content] = Labelled(loaded.content, together, width, height, (*known.photos, photo))
        return None

    def contents(self) -> Iterable[Labelled]:
        """Each content with its readings and photos."""
        return self._contents.values()


def _reading(label: Label, square: Square) -> Reading:
    box = square.to_photo(label.square_box)
    return Reading(label.text, label.score, box, label.box_score, IMPORTED, label.square_box)
