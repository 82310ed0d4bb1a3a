"""How the spotter learns: views in, better weights out, step by step."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from bibwatch.errors import TrainingError
from bibwatch.read.ppocr.on_cpu import processor_has
from bibwatch.read.ppocr.spots import Maps
from bibwatch.train.checkpoint import read_checkpoint, save_whole
from bibwatch.train.spotter.lessons import mark_of
from bibwatch.train.spotter.measure import Found, measure
from bibwatch.train.spotter.network import Spotter
from bibwatch.train.spotter.recipe import Recipe
from bibwatch.train.spotter.targets import targets
from bibwatch.train.spotter.views import Views

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image
    from bibwatch.train.scenes import Tell
    from bibwatch.train.spotter.lessons import Lesson

WARM_UP = 0.03  # of the steps, while the rate rises
DECAY = 1e-2  # of the weights
KEPT = 0.998  # of the averaged weights, from step to step
MIDDLE_OF_A_NUMBER = 0.999  # of the heat
MOST_WORKERS = 16  # processes that make views: each holds two batches ready
SHARPNESS, MILDNESS = 2, 4  # of the focal loss: how little sure places count, and places near a middle


@dataclass(frozen=True, slots=True)
class Report:
    """How far a training has come."""

    views: int  # shown by then
    loss: float  # of a number, since the last report
    found: Found  # in the photos held out


class Training:
    """The spotter on its way, and all that is needed to go on from here."""

    def __init__(
        self, learned_from: Sequence[Lesson], held_out: Sequence[Lesson], recipe: Recipe, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.history: list[Report] = []
        self._mark = mark_of((*learned_from, *held_out))
        self._held_out = held_out
        self._shown = _Shown(learned_from, recipe)
        self._device = device
        self._model = Spotter().to(device, memory_format=torch.channels_last)
        self._averaged = AveragedModel(self._model, multi_avg_fn=_average, use_buffers=True)
        self._optimiser = AdamW(self._model.parameters(), recipe.rate, weight_decay=DECAY, fused=True)
        self._step = 0
        self._batches: Iterator[list[Tensor]] | None = None

    @property
    def spotter(self) -> Spotter:
        """The network with the mean of its last weights."""
        return self._averaged.module.eval()  # type: ignore[no-any-return]

    @property
    def shown(self) -> int:
        """The views shown so far."""
        return self._step * self.recipe.batch

    @property
    def is_over(self) -> bool:
        """Whether all views were shown."""
        return self._step >= self.recipe.steps

    def until_next_report(self, tell: Tell) -> Report:
        """Show views until it is time to measure, and measure.

        Raises:
            TrainingError: the loss is no number any more.
        """
        steps = self.recipe.steps
        begun = self._step  # where there are fewer steps than reports, there is a report for each
        until = max(begun + 1, math.ceil(steps * (len(self.history) + 1) / self.recipe.reports))
        self._batches = self._batches or self._batches_from(self._step)
        lost = 0.0
        while self._step < until:
            lost += self._learn(next(self._batches))
            self._step += 1
            tell(self._step - begun, until - begun)
        found = measure(self.see, self._held_out)
        self.history.append(Report(self.shown, lost / (until - begun), found))
        return self.history[-1]

    def see(self, picture: Image) -> Maps:
        """What the spotter says of a picture by now."""
        with torch.inference_mode():
            heat, shape = self.spotter(torch.from_numpy(picture[np.newaxis]).to(self._device))
            return Maps(heat[0, 0].sigmoid().float().cpu().numpy(), shape[0].float().cpu().numpy())

    def save(self, path: Path) -> None:
        """Write what `resume` goes on from."""
        state = {
            "recipe": asdict(self.recipe),
            "learned_from": self._mark,
            "step": self._step,
            "model": self._model.state_dict(),
            "averaged": self._averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "history": [asdict(report) for report in self.history],
        }
        save_whole(state, path)

    def resume(self, path: Path) -> None:
        """Go on where a training of the same recipe stood when it was saved.

        Raises:
            TrainingError: the file is not there, or not of such a training.
        """
        try:
            state = read_checkpoint(path)
            was, now = state["recipe"], asdict(self.recipe)
            if state["learned_from"] != self._mark:
                raise TrainingError(f"{path}: was begun with other photos, or with other lines of them")
            if was != now:
                told = ", ".join(f"{key} {was[key]} instead of {now[key]}" for key in now if was[key] != now[key])
                raise TrainingError(f"{path}: was begun with {told}")
            self._model.load_state_dict(state["model"])
            self._averaged.load_state_dict(state["averaged"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._step = state["step"]
            self.history = [Report(one["views"], one["loss"], Found(**one["found"])) for one in state["history"]]
        except TrainingError:
            raise
        except Exception as error:  # as torch raises anything for a state that is not of this network
            raise TrainingError(f"{path}: cannot be gone on from: {type(error).__name__}: {error}") from error

    def _learn(self, batch: Sequence[Tensor]) -> float:
        """One step; the loss before it."""
        pictures, *wanted = (tensor.to(self._device, non_blocking=True) for tensor in batch)
        for group in self._optimiser.param_groups:
            group["lr"] = self.recipe.rate * rate_at(self._step / self.recipe.steps)
        self._model.train()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=_computes_in_halves(self._device)):
            heat, shape = self._model(pictures)
        loss = heat_loss(heat[:, 0].float(), wanted[0], wanted[3]) + shape_loss(shape.float(), wanted[1], wanted[2])
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._averaged.update_parameters(self._model)
        lost = float(loss.detach())
        if not math.isfinite(lost):
            raise TrainingError(f"the loss is {lost} after {self._step} steps; take another seed")
        return lost

    def _batches_from(self, step: int) -> Iterator[list[Tensor]]:
        """The views that come after so many steps, made in processes of their own where there are processors enough."""
        views = range(step * self.recipe.batch, self.recipe.steps * self.recipe.batch)
        cores = len(os.sched_getaffinity(0))
        workers = min(MOST_WORKERS, cores if self._device.type == "cuda" else cores // 8)
        context = "fork" if workers else None  # so that all share the decoded photos
        return iter(
            DataLoader(
                self._shown, self.recipe.batch, sampler=views, num_workers=workers, multiprocessing_context=context
            )
        )


def rate_at(share: float) -> float:
    """Of the highest rate, after this share of the steps: it rises in a line, and falls along a cosine."""
    if share < WARM_UP:
        return share / WARM_UP
    return (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))) / 2


def heat_loss(told: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    """The focal loss of heat before its sigmoid, for each number in the views (Lin et al., 2017; Zhou et al., 2019)."""
    heat = told.sigmoid()
    middle = wanted > MIDDLE_OF_A_NUMBER
    hot = functional.logsigmoid(told) * (1 - heat) ** SHARPNESS
    cold = functional.logsigmoid(-told) * heat**SHARPNESS * (1 - wanted) ** MILDNESS
    return -(torch.where(middle, hot, cold) * counts).sum() / middle.sum().clamp(min=1)


def shape_loss(told: Tensor, wanted: Tensor, boxed: Tensor) -> Tensor:
    """How far the boxes are off, where they are told; distances to the middle in heights of the number."""
    off = functional.smooth_l1_loss(told, wanted, reduction="none", beta=0.1)
    high = wanted[:, 3:4].exp().clamp(min=1)
    each = torch.cat((off[:, :2] / high, off[:, 2:]), dim=1).sum(dim=1)
    return (each * boxed).sum() / boxed.sum().clamp(min=1)


class _Shown(Dataset):  # type: ignore[misc]
    """Views and what should be said of them, by number."""

    def __init__(self, lessons: Sequence[Lesson], recipe: Recipe) -> None:
        self._views = Views(lessons, recipe.size, recipe.seed)
        self._size = recipe.size

    def __getitem__(self, number: int) -> tuple[np.ndarray[Any, Any], ...]:
        view = self._views[number]
        return view.picture, *targets(view.numbers, view.unsure, self._size)


def _average(averaged: Any, current: Any, so_far: Any) -> None:
    """The mean of the last weights, of few at first, so that what was random is soon forgotten."""
    get_ema_multi_avg_fn(min(KEPT, (1 + int(so_far)) / (10 + int(so_far))))(averaged, current, so_far)


def _computes_in_halves(device: torch.device) -> bool:
    """Whether numbers of 16 bits are faster there; with bfloat16 nothing is lost that training would miss."""
    return device.type == "cuda" or processor_has("avx512_bf16")
