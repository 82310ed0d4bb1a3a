"""The picture of a training of the spotter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bibwatch.files import whole_file
from bibwatch.train.spotter.measure import THRESHOLD

if TYPE_CHECKING:
    from bibwatch.train.spotter.training import Report


def draw_curves(history: Sequence[Report], path: Path) -> None:
    """A PNG of the loss, of the share of numbers found in the photos held out, and of the boxes a photo."""
    views = [report.views / 1000 for report in history]
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, recalls, boxes = figure.subplots(3, sharex=True)
    losses.plot(views, [report.loss for report in history], "o-", color="C0")
    losses.set(ylabel="loss of a number", yscale="log")
    recalls.plot(views, [report.found.recall for report in history], "o-", color="C2")
    recalls.set(ylabel=f"recall, from {THRESHOLD:g}", ylim=(0, 1))
    boxes.plot(views, [report.found.boxes_a_photo for report in history], "o-", color="C1")
    boxes.set(ylabel="boxes a photo", xlabel="thousand views shown")
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110)
