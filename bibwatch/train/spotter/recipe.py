"""How long the spotter learns, and by what steps; without torch, so that a command can tell it at once."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides how a training goes, beside its photos."""

    views: int = 160_000  # shown, all in all
    batch: int = 32  # views a step
    size: int = 384  # pixels of a view's side; a multiple of 32
    rate: float = 2e-3  # of the steps, at most
    reports: int = 12  # times that it is measured, evenly spread
    seed: int = 0  # decides the split, the first weights and the views

    @property
    def steps(self) -> int:
        """How many batches are shown."""
        return math.ceil(self.views / self.batch)
