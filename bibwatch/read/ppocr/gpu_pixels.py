"""What a GPU does with pixels before the networks see them, as OpenCV does it on a processor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from bibwatch.read.photo_file import ON_THEIR_SIDE, REDUCED
from bibwatch.read.ppocr.lines import LINE_HEIGHT, Cut

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Encoded, Image

FINEST = 4  # points, along each side of a pixel that the recogniser sees, that are looked up in the photo
CELL = 4  # pixels of a preview that are compared together
UNLIKE = 12.0  # of 255: the mean of a cell is off by 3 at most where two decoders have decoded the same


def decoded_together(files: Sequence[Encoded], place: torch.device) -> list[torch.Tensor | None]:
    """Upright (3, H, W) uint8 RGB pictures on this device; None for one that came out unlike its preview.

    A GPU's decoder may pass over a damaged picture without a word, and what it leaves then is what lay in that memory
    before: another photo.

    Raises:
        RuntimeError: one of them cannot be decoded there.
        ImportError: torchvision has no decoder any more.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    tensors = [torch.frombuffer(bytearray(file.data), dtype=torch.uint8) for file in files]
    stored = decode_jpeg(tensors, ImageReadMode.RGB, device=place)
    pictures = [_upright(picture, file.orientation) for picture, file in zip(stored, files, strict=True)]
    return [picture if is_like(picture, file.preview) else None for picture, file in zip(pictures, files, strict=True)]


def is_like(picture: torch.Tensor, preview: Image) -> bool:
    """Whether a (3, H, W) picture is the one of a (H / 8, W / 8, 3) preview."""
    small = functional.avg_pool2d(picture[None].float(), REDUCED, ceil_mode=True, count_include_pad=False)
    wanted = torch.from_numpy(preview).to(picture.device).permute(2, 0, 1)[None]
    if small.shape != wanted.shape:
        return False
    off = functional.avg_pool2d(small - wanted, CELL, ceil_mode=True, count_include_pad=False)
    return bool(off.abs().max() <= UNLIKE)


def resized(picture: torch.Tensor, height: int, width: int, kind: torch.dtype) -> torch.Tensor:
    """(3, height, width) in whole numbers: by the mean of areas where it shrinks, else by cubic curves."""
    high, wide = picture.shape[1:]
    if height * width < high * wide:
        down, across = (_shares(*sides, picture.device, kind) for sides in ((high, height), (wide, width)))
        return (down @ picture.to(kind) @ across.T).round()
    large = functional.interpolate(picture[None].float(), (height, width), mode="bicubic", align_corners=False)
    return large[0].round().clamp(0, 255).to(kind)


def cut_lines(picture: torch.Tensor, cuts: Sequence[Cut]) -> list[torch.Tensor]:
    """Lines of a (3, H, W) picture, upright: (3, LINE_HEIGHT, W) float32 RGB, 0..255 in whole numbers."""
    if not cuts:
        return []
    corners = np.stack([cut.corners for cut in cuts])
    # Only what lies around the lines is made floating point: a large photo takes gigabytes.
    low = np.maximum(0, np.floor(corners.min(axis=(0, 1))).astype(int) - 2)
    high = np.ceil(corners.max(axis=(0, 1))).astype(int) + 3
    around = picture[:, low[1] : high[1], low[0] : high[0]]
    within = (2 * (corners - low) + 1) / around.shape[:0:-1] - 1  # from -1 to 1 both ways
    there = torch.from_numpy(within.astype(np.float32)).to(picture.device)
    points = [_points(cut, *of_line) for cut, of_line in zip(cuts, there, strict=True)]
    grid = torch.cat([of_line.reshape(1, -1, 1, 2) for of_line in points], dim=1)
    looked_up = functional.grid_sample(
        around[None].float(), grid, "bicubic", padding_mode="border", align_corners=False
    )
    of_lines = looked_up[0, :, :, 0].split([of_line[..., 0].numel() for of_line in points], dim=1)
    lines = (line.reshape(3, *of_line.shape[:2]) for line, of_line in zip(of_lines, points, strict=True))
    return [functional.avg_pool2d(line, line.shape[1] // LINE_HEIGHT).round().clamp(0, 255) for line in lines]


def _points(
    cut: Cut, top_left: torch.Tensor, top_right: torch.Tensor, bottom_right: torch.Tensor, bottom_left: torch.Tensor
) -> torch.Tensor:
    """Where a line's pixels are looked up: (n * 48, n * W, 2); each of them is the mean of n x n points."""
    times = min(FINEST, max(1, math.ceil(cut.high / LINE_HEIGHT)))
    # The middle of each point, from 0 to 1 along the line and across it; a corner is the middle of a photo's pixel.
    along = (torch.arange(times * cut.width, device=top_left.device) + 0.5) / (times * cut.width) - 0.5 / cut.wide
    across = (torch.arange(times * LINE_HEIGHT, device=top_left.device) + 0.5) / (times * LINE_HEIGHT) - 0.5 / cut.high
    top = torch.lerp(top_left, top_right, along[:, None])
    bottom = torch.lerp(bottom_left, bottom_right, along[:, None])
    return torch.lerp(top, bottom, across[:, None, None])


@lru_cache(maxsize=4)
def _shares(before: int, after: int, place: torch.device, kind: torch.dtype) -> torch.Tensor:
    """(after, before): how much each pixel of a row counts in each pixel of the row made shorter."""
    edges = torch.arange(after + 1, device=place) * (before / after)
    pixels = torch.arange(before, device=place)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (after / before)).to(kind)


def _upright(picture: torch.Tensor, orientation: int) -> torch.Tensor:
    """A stored (3, H, W) picture, turned and mirrored as EXIF says: its first row and column are these sides."""
    if orientation in ON_THEIR_SIDE:
        picture = picture.transpose(1, 2)
    mirrored = {2: [2], 3: [1, 2], 4: [1], 6: [2], 7: [1, 2], 8: [1]}
    return picture.flip(mirrored[orientation]) if orientation in mirrored else picture
