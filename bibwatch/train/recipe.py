"""How the detector is fine-tuned, and by what steps; without torch, so that a command can tell it at once."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the defaults are the notebook's."""

    size: int = 400  # pixels of the padded square
    batch: int = 4  # squares a step
    seed: int = 0
    rate: float = 0.005  # SGD's learning rate; its momentum is 0.9, its weight decay 0.0005
    patience: int = 3  # epochs without a lower validation loss before the rate is halved
    limits: dict[str, int] = field(default_factory=dict)  # torchvision's own, for networks small enough to test
