"""A whole training of the spotter: photos in; networks, curves and a report out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bibwatch.errors import TrainingError
from bibwatch.files import must_be_new, whole_file
from bibwatch.train.run import torch_device
from bibwatch.train.scenes import EXTENSIONS
from bibwatch.train.spotter.export import export
from bibwatch.train.spotter.lessons import Lesson, Tell, lessons, read_lines, refuse_labelled, split
from bibwatch.train.spotter.plots import draw_curves
from bibwatch.train.spotter.teach import teach
from bibwatch.train.spotter.training import Recipe, Training

LINES = "lines.json"  # in the folder of the photos


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of a training, all beside its network."""

    network: Path

    @property
    def in_bytes(self) -> Path:
        """The same network, with eight-bit steps too."""
        return self._beside("_int8.onnx")

    @property
    def lines(self) -> Path:
        """What the teacher read, where it had to."""
        return self._beside(".lines.json")

    @property
    def state(self) -> Path:
        """What --resume goes on from."""
        return self._beside(".resume.pt")

    @property
    def report(self) -> Path:
        """The recipe, the split and every measurement, as JSON."""
        return self._beside(".json")

    @property
    def curves(self) -> Path:
        """The loss and the recall."""
        return self._beside(".png")

    def must_be_new(self, *, force: bool) -> None:
        """Refuse to write over what is there, unless asked to.

        Raises:
            BibwatchError: one of the files is there, or the network is to have a name of another kind.
        """
        if self.network.suffix != ".onnx":
            raise TrainingError(f"{self.network}: name the network .onnx; the files beside it get other endings")
        for path in (self.network, self.in_bytes, self.lines, self.state, self.report, self.curves):
            must_be_new(path, force=force)

    def _beside(self, ending: str) -> Path:
        return self.network.with_name(self.network.stem + ending)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to learn from, as a person asks for it."""

    photos: Path
    labelled: Sequence[Path] = ()  # photos that must not be among them
    device: str = "auto"  # auto, cpu, cuda or cuda:N
    recipe: Recipe = field(default_factory=Recipe)


class Run:
    """One training from its files to its files."""

    def __init__(self, outputs: Outputs, wish: Wish, *, resume: bool) -> None:
        """Find the photos; nothing is decoded yet.

        Raises:
            TrainingError: there are none, some are labelled ones, or the device cannot be used.
        """
        self.outputs = outputs
        self.wish = wish
        self.device = torch_device(wish.device)
        self.photos = find_photos(wish.photos)
        refuse_labelled(self.photos, wish.labelled)
        self._resume = resume
        self._learned_from: list[Lesson] = []
        self._held_out: list[Lesson] = []

    @property
    def learned_from(self) -> int:
        """The photos to learn from, once it has begun."""
        return len(self._learned_from)

    @property
    def held_out(self) -> int:
        """The photos to measure on, likewise."""
        return len(self._held_out)

    @property
    def needs_teacher(self) -> bool:
        """Whether nobody has read the photos' lines yet."""
        return not any(path.is_file() for path in self._places_of_lines())

    def teach(self, tell: Tell) -> None:
        """Have the teacher read all photos, and keep what it read."""
        taught = teach(self.photos, tell)
        with whole_file(self.outputs.lines) as file:
            file.write(json.dumps(taught).encode())

    def begin(self, tell: Tell) -> Training:
        """Decode all photos, and begin the training, or go on where it was interrupted.

        Raises:
            TrainingError: photos, lines or what to go on from cannot be used.
        """
        path = next(path for path in self._places_of_lines() if path.is_file())
        self._learned_from, self._held_out = split(lessons(self.photos, read_lines(path), tell), self.wish.recipe.seed)
        training = Training(self._learned_from, self._held_out, self.wish.recipe, self.device)
        if self._resume:
            training.resume(self.outputs.state)
        return training

    def keep(self, training: Training) -> None:
        """Write how far it is."""
        training.save(self.outputs.state)
        draw_curves(training.history, self.outputs.curves)
        report = {
            "recipe": asdict(training.recipe),
            "learned_from": [lesson.name for lesson in self._learned_from],
            "held_out": [lesson.name for lesson in self._held_out],
            "reports": [asdict(report) for report in training.history],
        }
        with whole_file(self.outputs.report) as file:
            file.write(json.dumps(report, indent=1).encode())

    def finish(self, training: Training) -> None:
        """Write the networks."""
        export(training.spotter, self._held_out, self.outputs.network, self.outputs.in_bytes)

    def _places_of_lines(self) -> Iterable[Path]:
        return self.wish.photos / LINES, self.outputs.lines


def find_photos(folder: Path) -> list[Path]:
    """The photos of a folder, by name.

    Raises:
        TrainingError: there are too few to learn from some and measure on others.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file())
    except OSError as error:
        raise TrainingError(f"{folder}: no folder of photos: {error.strerror}") from error
    if len(found) < 2:
        raise TrainingError(
            f"{folder}: {len(found)} photos; at least one to learn from and one to measure on are needed"
        )
    return found
