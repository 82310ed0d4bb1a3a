"""Pictures of a training: its curves, and what it finds in the validation photos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from bibwatch.files import whole_file
from bibwatch.train.scenes import Squares
from bibwatch.train.training import Epoch, Training, best_of

SHOWN = 9  # validation photos in the picture
SHOWN_SCORE = 0.2  # the engine's own threshold, unless the config says otherwise
TRUTH, FOUND = "#2ca02c", "#e8590c"


def draw_curves(history: Sequence[Epoch], path: Path) -> None:
    """A PNG of the losses and of the average precision, epoch by epoch."""
    numbers = [epoch.number for epoch in history]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    losses = figure.add_subplot()
    losses.plot(numbers, [epoch.train_loss for epoch in history], "o-", label="training loss")
    losses.plot(numbers, [epoch.validation_loss for epoch in history], "o-", label="validation loss")
    best = best_of(history)
    losses.plot(best.number, best.validation_loss, "*", markersize=16, color="C1", label=f"best: epoch {best.number}")
    losses.set(xlabel="epoch", ylabel="loss a photo", yscale="log")
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    precision = losses.twinx()
    precision.plot(numbers, [epoch.ap50 for epoch in history], "s--", color="C2", label="AP at IoU 0.5")
    precision.set(ylabel="average precision", ylim=(-0.02, 1.02))
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    _save(figure, path)


def draw_findings(training: Training, validation: Squares, path: Path) -> None:
    """A PNG of validation photos with their boxes: annotated in green, found in orange with their scores."""
    count = min(SHOWN, len(validation))
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(4 * columns, 4 * rows + 0.3), layout="constrained")
    figure.suptitle(f"green: annotated    orange: found, with score (from {SHOWN_SCORE:g})", fontsize=11)
    for index, found in enumerate(islice(training.predict(validation), count)):
        tensor, target = validation.take(index)
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(tensor.permute(1, 2, 0).numpy())
        axes.set_axis_off()
        for box in target["boxes"].tolist():
            _frame(axes, box, TRUTH)
        for box, score in zip(found["boxes"].tolist(), found["scores"].tolist(), strict=True):
            if score >= SHOWN_SCORE:
                _frame(axes, box, FOUND)
                axes.text(box[0], box[1] - 3, f"{score:.2f}", color=FOUND, fontsize=9, weight="bold")
    _save(figure, path)


def _frame(axes: Axes, box: Sequence[float], colour: str) -> None:
    x0, y0, x1, y1 = box
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.6))


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, format="png", dpi=110)
