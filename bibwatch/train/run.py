"""A whole training: photos and box files in, weights and pictures out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from bibwatch.errors import TrainingError
from bibwatch.files import whole_file
from bibwatch.train.network import initial_network
from bibwatch.train.plots import draw_curves, draw_findings
from bibwatch.train.scenes import Scene, Squares, find_scenes, split
from bibwatch.train.training import Epoch, Recipe, Tell, Training, read_checkpoint


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of a training, all beside its weights."""

    weights: Path

    @property
    def state(self) -> Path:
        """What --resume goes on from."""
        return self.weights.with_name(f"{self.weights.stem}.resume.pt")

    @property
    def report(self) -> Path:
        """The recipe, the split and every epoch, as JSON."""
        return self.weights.with_name(f"{self.weights.stem}.json")

    @property
    def curves(self) -> Path:
        """The losses and the average precision."""
        return self.weights.with_name(f"{self.weights.stem}.losses.png")

    @property
    def findings(self) -> Path:
        """Validation photos with their boxes."""
        return self.weights.with_name(f"{self.weights.stem}.validation.png")


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
        self._validation_squares = Squares(self.validation, recipe.size)
        data = (Squares(self.train, recipe.size), self._validation_squares)
        if resume:
            self.training = Training.resumed(read_checkpoint(outputs.state), data, recipe, self.device)
        else:
            torch.manual_seed(recipe.seed)  # what is not loaded begins at random
            model = initial_network(wish.init, **recipe.limits)
            self.training = Training(model, data, recipe, self.device)

    def next_epoch(self, tell: Tell) -> Epoch:
        """Train for one epoch; the files beside the weights are then as far as it."""
        epoch = self.training.run_epoch(tell)
        if epoch.best:
            self.training.save_weights(self.outputs.weights)
        self.training.save_state(self.outputs.state)
        self._report()
        return epoch

    def draw_findings(self) -> None:
        """Show what the best weights find in the validation photos."""
        self.training.model.load_state_dict(self.training.best_state)
        draw_findings(self.training, self._validation_squares, self.outputs.findings)

    def _report(self) -> None:
        history = self.training.history
        draw_curves(history, self.outputs.curves)
        report = {
            "recipe": asdict(self.training.recipe),
            "train": _names(self.train),
            "validation": _names(self.validation),
            "epochs": [asdict(epoch) for epoch in history],
        }
        with whole_file(self.outputs.report) as file:
            file.write(json.dumps(report, indent=1).encode())


def torch_device(name: str) -> torch.device:
    """The device of that name; auto takes the GPU where there is one.

    Raises:
        TrainingError: a GPU is asked for, and torch sees none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise TrainingError(f"device {name} was asked for, but torch {torch.__version__} sees no such GPU")
    return device


def _names(scenes: Sequence[Scene]) -> list[str]:
    return [scene.photo.name for scene in scenes]
