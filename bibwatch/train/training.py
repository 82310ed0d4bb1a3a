"""Fine-tuning the detector as the second notebook does, epoch by epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics.detection import MeanAveragePrecision

from bibwatch.errors import TrainingError
from bibwatch.read.dossard.detector import network
from bibwatch.train.checkpoint import save_whole
from bibwatch.train.recipe import Recipe
from bibwatch.train.scenes import Squares, Tell

FLIPPED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Epoch:
    """What came of one epoch."""

    number: int  # from 1
    train_loss: float
    validation_loss: float
    ap50: float  # average precision at IoU 0.5 on the validation scenes
    rate: float  # the learning rate that it was trained with
    best: bool  # whether its validation loss is the lowest so far


def best_of(history: Sequence[Epoch]) -> Epoch:
    """The epoch whose weights are kept."""
    return min(history, key=lambda epoch: epoch.validation_loss)


class Training:
    """A network, its optimiser, and what they have come to."""

    def __init__(
        self, model: torch.nn.Module, data: tuple[Squares, Squares], recipe: Recipe, device: torch.device
    ) -> None:
        """`data` are the squares to train on and those to validate on."""
        self.model = model.to(device)
        self.recipe = recipe
        self.history: list[Epoch] = []
        self.best_state: dict[str, Any] = {}
        self._train, self._validation = data
        self._device = device
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimiser = SGD(trained, lr=recipe.rate, momentum=0.9, weight_decay=0.0005)
        self._plateau = ReduceLROnPlateau(self._optimiser, mode="min", factor=0.5, patience=recipe.patience)

    @classmethod
    def resumed(
        cls, state: dict[str, Any], data: tuple[Squares, Squares], recipe: Recipe, device: torch.device
    ) -> Training:
        """Go on from where `save_state` was.

        Raises:
            TrainingError: it was begun with another recipe or other photos.
        """
        begun = Recipe(**state["recipe"])
        if begun != recipe:
            raise TrainingError(f"this training was begun with {begun}; it cannot go on with {recipe}")
        if state["photos"] != [squares.names for squares in data]:
            raise TrainingError("this training was begun with other photos; it would validate on what it has learnt")
        model = network(**recipe.limits)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in state["trained"])
        training = cls(model, data, recipe, device)
        training.history = [Epoch(**epoch) for epoch in state["history"]]
        training.best_state = state["best"]
        model.load_state_dict(state["model"])
        training._optimiser.load_state_dict(state["optimiser"])
        training._plateau.load_state_dict(state["plateau"])
        return training

    def run_epoch(self, tell: Tell) -> Epoch:
        """Train once over all scenes, then validate; where the rate falls, go on from the best weights."""
        number, rate = len(self.history) + 1, self._rate
        train_loss = self._train_once(number, tell)
        validation_loss = _check(self._validation_loss(), number)
        best = validation_loss < min((epoch.validation_loss for epoch in self.history), default=float("inf"))
        epoch = Epoch(number, train_loss, validation_loss, self._ap50(), rate, best)
        if best:
            self.best_state = {key: value.detach().cpu().clone() for key, value in self.model.state_dict().items()}
        self.history.append(epoch)
        self._plateau.step(validation_loss)
        if self._rate < rate and self.best_state:
            self.model.load_state_dict(self.best_state)
        return epoch

    def predict(self, squares: Squares) -> Iterator[dict[str, Any]]:
        """torchvision's boxes, scores and labels for each square, on the CPU."""
        self.model.eval()
        for index in range(len(squares)):
            with torch.inference_mode():
                [found] = self.model([squares.take(index)[0].to(self._device)])
            yield {key: value.cpu() for key, value in found.items()}

    def save_weights(self, path: Path) -> None:
        """Write the best weights so far, as the engine loads them."""
        save_whole(self.best_state, path)

    def save_state(self, path: Path) -> None:
        """Write all that is needed to go on after the last epoch."""
        state = {
            "recipe": asdict(self.recipe),
            "history": [asdict(epoch) for epoch in self.history],
            "photos": [self._train.names, self._validation.names],
            "trained": [name for name, parameter in self.model.named_parameters() if parameter.requires_grad],
            "model": self.model.state_dict(),
            "best": self.best_state,
            "optimiser": self._optimiser.state_dict(),
            "plateau": self._plateau.state_dict(),
        }
        save_whole(state, path)

    @property
    def _rate(self) -> float:
        return float(self._optimiser.param_groups[0]["lr"])

    def _train_once(self, number: int, tell: Tell) -> float:
        """The mean loss a scene; order, flips and torchvision's sampling follow from seed and epoch alone."""
        chance = random.Random(f"{self.recipe.seed} {number}")
        torch.manual_seed(chance.getrandbits(32))
        order = list(range(len(self._train)))
        chance.shuffle(order)
        batches = [order[start : start + self.recipe.batch] for start in range(0, len(order), self.recipe.batch)]
        self.model.train()
        total = 0.0
        for done, batch in enumerate(batches, start=1):
            loss = self._loss([self._train.take(index, flipped=chance.random() < FLIPPED_SHARE) for index in batch])
            _check(loss.item(), number)
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += loss.item() * len(batch)
            tell(done, len(batches))
        return total / len(order)

    def _validation_loss(self) -> float:
        """The mean loss a scene; the network's statistics stay as they are, and its sampling is always the same."""
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        total = 0.0
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            for index in range(len(self._validation)):
                total += self._loss([self._validation.take(index)]).item()
        return total / len(self._validation)

    def _ap50(self) -> float:
        metric = MeanAveragePrecision(iou_thresholds=[0.5])
        for index, found in enumerate(self.predict(self._validation)):
            metric.update([found], [self._validation.take(index)[1]])
        return max(0.0, float(metric.compute()["map"]))  # -1 where no validation scene has a dossard

    def _loss(self, scenes: Sequence[tuple[Any, dict[str, Any]]]) -> torch.Tensor:
        tensors = [tensor.to(self._device) for tensor, _ in scenes]
        targets = [{key: value.to(self._device) for key, value in target.items()} for _, target in scenes]
        losses = self.model(tensors, targets)
        return torch.stack(list(losses.values())).sum()


def _check(loss: float, number: int) -> float:
    """The loss of an epoch, which has to be a number."""
    if not math.isfinite(loss):
        ways_out = "look at the boxes, begin from other weights (--init), or train more photos at a time (--batch)"
        raise TrainingError(f"the loss is {loss} in epoch {number}, so the training has come apart; {ways_out}")
    return loss
