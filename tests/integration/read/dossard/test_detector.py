"""Weights that do not fit, memory that does not suffice, and half precision."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("easyocr")

from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

from bibwatch.errors import EngineUnavailable
from bibwatch.read.dossard.detector import (
    HALF_TRIALS,
    Detector,
    HalfPrecision,
    load_weights,
    network,
    read_state,
)
from bibwatch.values import Box
from tests.models import whole_picture_weights

SQUARES = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 51, 102, 153, 204)]
WEIGHTS = Path("mine.pt")


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class Passes(torch.nn.Module):  # type: ignore[misc]
    """A backbone that notes in which precision it was run."""

    out_channels = 1

    def forward(self, batch: Any) -> dict[str, Any]:
        self.was_half = torch.is_autocast_enabled("cpu")
        return {"0": batch}


class Shades(torch.nn.Module):  # type: ignore[misc]
    """Finds one box in each square, at the place of its shade; with more squares than `fits`, memory is out."""

    def __init__(self, fits: int = 99, half_shift: float = 0.0) -> None:
        super().__init__()
        self.backbone = Passes()
        self._fits = fits
        self._half_shift = half_shift
        self.seen: list[tuple[int, bool]] = []  # squares at once, and whether in half precision

    def forward(self, squares: Sequence[Any]) -> list[Mapping[str, Any]]:
        self.backbone(squares[0])
        half = self.backbone.backbone.was_half
        self.seen.append((len(squares), half))
        if len(squares) > self._fits:
            raise torch.OutOfMemoryError("out of memory")
        shift = self._half_shift if half else 0.0
        boxes = [round(float(square.max()) * 5) + shift for square in squares]
        return [
            {"boxes": torch.tensor([[x, 1.9, x + 2.5, 5.0], [0, 0, 1, 1]]), "scores": torch.tensor([0.8, 0.1])}
            for x in boxes
        ]


def detector(model: Shades, batch: int) -> Detector:
    return Detector(model, torch.device("cpu"), threshold=0.2, batch=batch)


def test_boxes_are_truncated_and_low_scores_left_out() -> None:
    found = detector(Shades(), 2).detect(SQUARES)
    assert [[detection.box for detection in photo] for photo in found] == [[Box(x, 1, x + 2, 5)] for x in range(5)]
    assert found[0][0].score == pytest.approx(0.8)
    assert detector(Shades(), 2).detect([]) == []


def test_a_batch_that_does_not_fit_is_halved_and_stays_so() -> None:
    model = Shades(fits=2)
    halving = detector(model, 5)
    assert [photo[0].box.x0 for photo in halving.detect(SQUARES)] == [0, 1, 2, 3, 4]
    assert [count for count, _ in model.seen] == [5, 2, 2, 1]
    assert halving.batch == 2


def test_one_square_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        detector(Shades(fits=0), 4).detect(SQUARES)


@pytest.mark.parametrize(("half_shift", "trusted"), [(0.0, True), (0.9, True), (1.1, False)])
def test_half_precision_is_trusted_once_it_found_the_same(
    half_shift: float, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Shades(half_shift=half_shift)
    trying = detector(model, 1)
    trying.half = HalfPrecision(HALF_TRIALS)  # as on a GPU
    for _ in range(HALF_TRIALS + 1):
        trying.detect(SQUARES[:1])
    assert trying.half.trusted is trusted
    *_, last = model.seen
    assert last == (1, trusted)
    expected = 2 * HALF_TRIALS + 1 if trusted else 2 + HALF_TRIALS
    assert len(model.seen) == expected


def test_half_precision_may_change_the_order_of_boxes_but_not_their_number() -> None:
    left, right = [1.0, 2.0, 30.0, 40.0], [50.0, 2.0, 80.0, 40.0]
    for other, trusted in (
        ([(right, 0.9), ([1.9, 2.0, 30.0, 39.1], 0.9)], True),
        ([(left, 0.9)], False),
        ([(left, 0.9), (left, 0.8)], False),
        ([], False),
    ):
        half = HalfPrecision(1)
        half.compare([[], [(left, 0.9), (right, 0.8)]], [[], other])
        assert half.trusted is trusted
        assert not half.on_trial


def test_the_network_runs_in_half_precision_too(tmp_path: Path) -> None:
    path = whole_picture_weights(tmp_path / "mine.pt")
    model = network(min_size=64, max_size=64)
    load_weights(model, path, read_state(path, path.read_bytes()))
    trying = Detector(model, torch.device("cpu"), threshold=0.2, batch=1)
    trying.half = HalfPrecision(1)
    for _ in range(2):
        [[detection]] = trying.detect(SQUARES[:1])
        assert detection.box == Box(0, 0, 8, 8)
        assert trying.half.trusted


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (lambda: saved(network()), "holds Python objects, such as a whole pickled model"),
        (lambda: b"\x00not weights", "is no file of PyTorch weights, or is damaged"),
        (lambda: saved(network().state_dict())[:5000], "is no file of PyTorch weights, or is damaged"),
        (lambda: b"", "is no file of PyTorch weights, or is damaged"),
        (lambda: saved([1, 2]), "holds a list"),
        (lambda: saved({"epoch": 3, "model": network().state_dict()}), "is a training checkpoint that holds model"),
        (lambda: saved({"fc.weight": torch.zeros(2)}), "has no backbone.body.conv1.weight"),
        (lambda: saved({**network().state_dict(), "extra": torch.zeros(1)}), "has extra, which that network has not"),
        (
            lambda: saved(fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).state_dict()),
            r"cls_score.weight has the shape \(91, 1024\), not \(2, 1024\)",
        ),
        (lambda: saved({key: 1.0 for key in network().state_dict()}), "is no tensor"),
    ],
)
def test_a_file_that_is_no_fitting_state_dict_says_what_was_expected(content: Callable[[], bytes], part: str) -> None:
    with pytest.raises(EngineUnavailable, match=f"mine.pt: .*{part}.*expected a state_dict of torchvision's faster"):
        load_weights(network(), WEIGHTS, read_state(WEIGHTS, content()))


def test_fitting_weights_are_put_in() -> None:
    theirs, ours = network(), network()
    load_weights(ours, WEIGHTS, read_state(WEIGHTS, saved(theirs.state_dict())))
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)
