"""A whole training of the spotter: photos in; networks, curves and a report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bibwatch.errors import TrainingError
from bibwatch.files import beside, must_be_new, whole_file
from bibwatch.read.ppocr.on_cpu import SpotterOnCpu
from bibwatch.train.run import torch_device
from bibwatch.train.scenes import Tell, find_photos, split
from bibwatch.train.spotter.export import export
from bibwatch.train.spotter.lessons import Lesson, lessons
from bibwatch.train.spotter.lines import contents_of, keep_lines, lines_still_right, read_lines, refuse_labelled
from bibwatch.train.spotter.measure import Found, measure
from bibwatch.train.spotter.plots import draw_curves
from bibwatch.train.spotter.recipe import Recipe
from bibwatch.train.spotter.teach import teach
from bibwatch.train.spotter.training import Training

LINES = "lines.json"  # in the folder of the photos


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of a training, all beside its network."""

    network: Path

    @property
    def in_bytes(self) -> Path:
        """The same network, with eight-bit steps too."""
        return beside(self.network, "_int8.onnx")

    @property
    def lines(self) -> Path:
        """What the teacher read, where it had to; what is right in it is never read again."""
        return beside(self.network, ".lines.json")

    @property
    def state(self) -> Path:
        """What --resume goes on from."""
        return beside(self.network, ".resume.pt")

    @property
    def report(self) -> Path:
        """The recipe, the split and every measurement, as JSON."""
        return beside(self.network, ".json")

    @property
    def curves(self) -> Path:
        """The loss and the recall."""
        return beside(self.network, ".png")

    def must_be_new(self, *, force: bool) -> None:
        """Refuse to write over what is there, unless asked to.

        Raises:
            BibwatchError: one of the files is there, or the network is to have a name of another kind.
        """
        if self.network.suffix != ".onnx":
            raise TrainingError(f"{self.network}: name the network .onnx; the files beside it get other endings")
        for path in (self.network, self.in_bytes, self.state, self.report, self.curves):
            must_be_new(path, force=force)


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
            TrainingError: there are none, some are labelled ones, the device cannot be used, there is nothing to go on
                from, or what is written would lie among the photos.
        """
        self.outputs = outputs
        self.device = torch_device(wish.device)
        self.photos = find_photos(wish.photos)
        if outputs.network.resolve().parent == wish.photos.resolve():
            raise TrainingError(f"{outputs.network}: lies among the photos; name another folder")
        if resume and not outputs.state.is_file():
            raise TrainingError(f"{outputs.state}: not there, so there is nothing to go on from; leave out --resume")
        self.kept_views = 0  # that are shown again by nobody
        self._recipe = wish.recipe
        self._resume = resume
        self._contents = contents_of(self.photos)
        refuse_labelled(self._contents, wish.labelled)
        given = wish.photos / LINES
        self._is_given = given.is_file()
        self._lines = read_lines(given) if self._is_given else lines_still_right(outputs.lines, self._contents)
        self.learned_from: list[Lesson] = []
        self.held_out: list[Lesson] = []

    @property
    def untaught(self) -> list[Path]:
        """The photos whose lines nobody has read yet."""
        return [] if self._is_given else [photo for photo in self.photos if photo.name not in self._lines]

    def teach(self, tell: Tell) -> None:
        """Have the teacher read them, and keep what it read, also when it is interrupted.

        Raises:
            TrainingError: naming the photos that cannot be read, ten at most.
        """
        try:
            self._lines.update(teach(self.untaught, tell))
        finally:
            keep_lines(self._lines, self._contents, self.outputs.lines)

    def begin(self, tell: Tell) -> Training:
        """Decode all photos, and begin the training, or go on where it was interrupted.

        Raises:
            TrainingError: photos, lines or what to go on from cannot be used.
        """
        self.learned_from, self.held_out = split(lessons(self.photos, self._lines, tell), self._recipe.seed)
        for some, use in ((self.learned_from, "to learn from"), (self.held_out, "to measure on")):
            if not any(len(lesson.numbers) for lesson in some):
                raise TrainingError(f"none of the {len(some)} photos {use} shows a number; take more, or another seed")
        training = Training(self.learned_from, self.held_out, self._recipe, self.device)
        if self._resume:
            training.resume(self.outputs.state)
            self.kept_views = training.shown
        return training

    def keep(self, training: Training) -> None:
        """Write how far it is."""
        training.save(self.outputs.state)
        self.kept_views = training.shown
        draw_curves(training.history, self.outputs.curves)
        report = {
            "recipe": asdict(training.recipe),
            "learned_from": [lesson.name for lesson in self.learned_from],
            "held_out": [lesson.name for lesson in self.held_out],
            "reports": [asdict(report) for report in training.history],
        }
        with whole_file(self.outputs.report) as file:
            file.write(json.dumps(report, indent=1).encode())

    def finish(self, training: Training) -> tuple[Found, Found]:
        """Write the networks; what they find, the one in floating point and the one in bytes."""
        export(training.spotter, self.learned_from, self.outputs.network, self.outputs.in_bytes)
        whole = SpotterOnCpu(self.outputs.network, in_bytes=False)
        in_bytes = SpotterOnCpu(self.outputs.in_bytes, in_bytes=True)
        return measure(whole.see, self.held_out), measure(in_bytes.see, self.held_out)
