"""The spotter as torch trains it: four stages of plain convolutions, and a way back up to where small numbers show."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bibwatch.read.ppocr.networks import MIDDLE
from bibwatch.read.ppocr.spots import SHAPES

STEM = 16  # channels at half the picture's size
WIDTHS = (32, 64, 128, 176)  # channels of the stages, at a 4th, 8th, 16th and 32nd of the picture's size
DEPTHS = (2, 2, 3, 3)  # blocks of the stages
NECK = 48  # channels on the way back up
RARE = -4.0  # what the heat begins with, before the sigmoid: numbers are rare


class Spotter(nn.Module):  # type: ignore[misc]
    """(N, H, W, 3) uint8 RGB, sides multiples of 32, to heat before its sigmoid (N, 1, H / 4, W / 4) and shapes
    (N, 6, H / 4, W / 4), as `bibwatch.read.ppocr.spots` tells them.

    Plain convolutions of 3 x 3, since eight-bit numbers make them three times as fast, and others less.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolved(3, STEM, 2), *_convolved(STEM, WIDTHS[0], 2))
        self.stages = nn.ModuleList(
            nn.Sequential(
                Block(before, width, 1 if number == 0 else 2), *(Block(width, width, 1) for _ in range(1, depth))
            )
            for number, (before, width, depth) in enumerate(zip((WIDTHS[0], *WIDTHS), WIDTHS, DEPTHS, strict=False))
        )
        self.sides = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS)
        self.before_last = nn.Sequential(*_convolved(NECK, NECK, 1))
        self.last = nn.Conv2d(NECK, 1 + SHAPES, 1)
        nn.init.constant_(self.last.bias[:1], RARE)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        seen = self.stem(pictures.permute(0, 3, 1, 2).to(self.last.weight.dtype) / MIDDLE - 1)
        levels = []
        for stage in self.stages:
            seen = stage(seen)
            levels.append(seen)
        seen = self.sides[-1](levels[-1])
        for side, level in zip(self.sides[-2::-1], levels[-2::-1], strict=True):
            seen = functional.interpolate(seen, scale_factor=2.0, mode="nearest") + side(level)
        told = self.last(self.before_last(seen))
        return told[:, :1], told[:, 1:]


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions beside a way past them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(*_convolved(before, after, stride), *_convolved(after, after, 1)[:-1])
        same = stride == 1 and before == after
        self.past = nn.Identity() if same else nn.Sequential(*_convolved(before, after, stride, size=1)[:-1])

    def forward(self, seen: Tensor) -> Tensor:
        """See the class."""
        return functional.relu(self.way(seen) + self.past(seen))


def _convolved(before: int, after: int, stride: int, size: int = 3) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]
