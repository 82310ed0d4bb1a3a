"""A whole training: photos and box files in, weights and pictures out."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from bibwatch.errors import TrainingError
from bibwatch.files import beside, must_be_new, whole_file
from bibwatch.train.checkpoint import read_checkpoint
from bibwatch.train.network import initial_network
from bibwatch.train.plots import draw_curves, draw_findings
from bibwatch.train.recipe import Recipe
from bibwatch.train.scenes import Squares, Tell, find_scenes, refuse, split
from bibwatch.train.training import Epoch, Training, best_of


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of a training, all beside its weights."""

    weights: Path

    @property
    def state(self) -> Path:
        """What --resume goes on from."""
        return beside(self.weights, ".resume.pt")

    @property
    def report(self) -> Path:
        """The recipe, the split and every epoch, as JSON."""
        return beside(self.weights, ".json")

    @property
    def curves(self) -> Path:
        """The losses and the average precision."""
        return beside(self.weights, ".losses.png")

    @property
    def findings(self) -> Path:
        """Validation photos with their boxes."""
        return beside(self.weights, ".validation.png")

    def must_be_new(self, *, force: bool) -> None:
        """Refuse to write over what is there, unless asked to.

        Raises:
            BibwatchError: one of the files is there, or the weights are to have a name of another kind.
        """
        if self.weights.suffix != ".pt":
            raise TrainingError(f"{self.weights}: name the weights .pt; the files beside them get other endings")
        for path in (self.weights, self.state, self.report, self.curves, self.findings):
            must_be_new(path, force=force)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to train, as a person asks for it."""

    images: Path
    boxes: Path
    init: str = "coco"  # coco, none or a file of weights
    device: str = "auto"  # auto, cpu, cuda or cuda:N
    recipe: Recipe = field(default_factory=Recipe)


class Run:
    """One training from its files to its files."""

    def __init__(self, outputs: Outputs, wish: Wish, *, resume: bool) -> None:
        """Find the photos and build the network.

        Raises:
            TrainingError: the photos, boxes, weights or device cannot be used.
        """
        self.outputs = outputs
        self.device = torch_device(wish.device)
        recipe = wish.recipe
        self.train, self.validation = split(find_scenes(wish.images, wish.boxes), recipe.seed)
        self._data = (Squares(self.train, recipe.size), Squares(self.validation, recipe.size))
        if resume:
            self.training = Training.resumed(read_checkpoint(outputs.state), self._data, recipe, self.device)
        else:
            torch.manual_seed(recipe.seed)  # what is not loaded begins at random
            model = initial_network(wish.init, **recipe.limits)
            self.training = Training(model, self._data, recipe, self.device)

    def prepare(self, tell: Tell) -> None:
        """Decode every photo once, so that one that cannot be used is known before hours of training.

        Raises:
            TrainingError: naming those photos, ten at most.
        """
        problems = []
        total = sum(map(len, self._data))
        for done, (squares, index) in enumerate(((s, i) for s in self._data for i in range(len(s))), start=1):
            try:
                squares.take(index)
            except TrainingError as error:
                problems.append(str(error))
            tell(done, total)
        refuse(problems)

    def next_epoch(self, tell: Tell) -> Epoch:
        """Train for one epoch; the files beside the weights are then as far as it."""
        epoch = self.training.run_epoch(tell)
        if epoch.best:
            self.training.save_weights(self.outputs.weights)
        self.training.save_state(self.outputs.state)
        self._report()
        return epoch

    def finish(self) -> Epoch:
        """Write the best weights, whatever was interrupted, and show what they find; the epoch that they are of.

        Raises:
            TrainingError: not even one epoch was finished.
        """
        if not self.training.history:
            raise TrainingError(f"{self.outputs.weights}: not written, since not even one epoch was finished")
        self.training.save_weights(self.outputs.weights)
        self.training.model.load_state_dict(self.training.best_state)
        draw_findings(self.training, self._data[1], self.outputs.findings)
        return best_of(self.training.history)

    def _report(self) -> None:
        history = self.training.history
        draw_curves(history, self.outputs.curves)
        report = {
            "recipe": asdict(self.training.recipe),
            "train": self._data[0].names,
            "validation": self._data[1].names,
            "epochs": [asdict(epoch) for epoch in history],
        }
        with whole_file(self.outputs.report) as file:
            file.write(json.dumps(report, indent=1).encode())


def torch_device(name: str) -> torch.device:
    """The device of that name; auto takes the GPU where there is one.

    Raises:
        TrainingError: a GPU is asked for, and torch sees none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise TrainingError(f"device {name} is none of auto, cpu, cuda, cuda:0, cuda:1, ...")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(f"device {name} was asked for, but torch {torch.__version__} sees no such GPU")
    return device
