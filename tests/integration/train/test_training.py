"""Training on drawn scenes with the real network, small enough for two cores."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

from PIL import Image

from bibwatch.draw import draw_scene
from bibwatch.errors import BibwatchError, TrainingError
from bibwatch.read.dossard.engine import DossardEngine
from bibwatch.read.dossard.setup import DossardSetup
from bibwatch.train.recipe import Recipe
from bibwatch.train.run import Outputs, Run, Wish, torch_device
from bibwatch.train.scenes import Scene, Squares, find_scenes, split
from bibwatch.train.training import Training
from bibwatch.values import Box
from tests.models import easyocr_models, set_checksums_aside
from tests.scenes import LIMITS, close_runner, draw_scenes

MOST_EPOCHS = 40
TINY = LIMITS | {"min_size": 64, "max_size": 64}


def silent(done: int, of: int) -> None:
    """Nobody follows."""


def test_the_split_is_four_to_one_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    scenes = [Scene(tmp_path / f"{number}.png", ()) for number in range(20)]
    train, validation = split(scenes, seed=7)
    assert (len(train), len(validation)) == (16, 4)
    assert {*train, *validation} == {*scenes}
    assert split(list(reversed(scenes)), seed=7) == (train, validation)
    assert split(scenes, seed=8)[1] != validation
    assert [len(part) for part in split(scenes[:2], seed=0)] == [1, 1]


def test_a_scene_is_seen_padded_resized_and_flipped_with_its_boxes(tmp_path: Path) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:40, 10:50] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    squares = Squares([Scene(tmp_path / "a.png", (Box(10, 20, 50, 40),))], 100)
    for flipped, box in ((False, [5.0, 35.0, 25.0, 45.0]), (True, [75.0, 35.0, 95.0, 45.0])):
        tensor, target = squares.take(0, flipped=flipped)
        assert tensor.shape == (3, 100, 100)
        assert target["boxes"].tolist() == [box]
        assert target["labels"].tolist() == [1]
        x0, y0, x1, y1 = map(int, box)
        assert tensor[:, y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].min() > 0.9
        assert tensor.sum() == pytest.approx(3 * 20 * 10, rel=0.1)


def test_a_scene_without_dossards_has_empty_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    _, target = Squares([Scene(tmp_path / "a.png", ())], 10).take(0, flipped=True)
    assert target["boxes"].shape == (0, 4)


def test_boxes_that_do_not_fit_their_photo_are_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    over_the_edge, elsewhere = Box(90, 10, 102, 30), Box(10, 40, 30, 90)
    _, target = Squares([Scene(tmp_path / "a.png", (over_the_edge,))], 100).take(0)
    assert target["boxes"].tolist() == [[90.0, 35.0, 100.0, 55.0]]
    with pytest.raises(TrainingError, match="lies outside of its 100 x 50 pixels"):
        Squares([Scene(tmp_path / "a.png", (elsewhere,))], 100).take(0)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(TrainingError, match="neither a JPEG nor a PNG"):
        Squares([Scene(tmp_path / "a.png", ())], 100).take(0)


def test_every_problem_with_photos_and_boxes_is_named_before_training(tmp_path: Path) -> None:
    draw_scenes(tmp_path, 3)
    (tmp_path / "1.txt").unlink()
    (tmp_path / "2.txt").write_text("a box\n")
    with pytest.raises(TrainingError) as caught:
        find_scenes(tmp_path, tmp_path)
    assert "1.txt: no such box file" in str(caught.value)
    assert "2.txt, line 1" in str(caught.value)
    with pytest.raises(TrainingError, match="0 photos"):
        find_scenes(draw_scenes(tmp_path / "none", 0), tmp_path)
    with pytest.raises(TrainingError, match="no folder of photos"):
        find_scenes(tmp_path / "missing", tmp_path)


class Wanders(torch.nn.Module):  # type: ignore[misc]
    """Its validation loss follows a script; each training step moves its one weight."""

    def __init__(self, validation_losses: list[float]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(10.0))
        self._losses = iter(validation_losses)

    def forward(self, tensors: Any, targets: Any = None) -> Any:
        if targets is None:
            return [{"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}]
        if torch.is_grad_enabled():
            return {"loss": self.weight}
        return {"loss": torch.tensor(next(self._losses))}


def test_when_the_rate_falls_it_goes_on_from_the_best_weights(tmp_path: Path) -> None:
    scenes = find_scenes(*[draw_scenes(tmp_path, 2)] * 2)
    data = (Squares(scenes[:1], 32), Squares(scenes[1:], 32))
    model = Wanders([3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 0.5])
    training = Training(model, data, Recipe(size=32), torch.device("cpu"))
    weights = []
    for _ in range(7):
        training.run_epoch(silent)
        weights.append(float(model.weight.detach()))
    assert [epoch.best for epoch in training.history] == [True, True, False, False, False, False, True]
    assert [epoch.rate for epoch in training.history] == [0.005] * 6 + [0.0025]
    assert weights[5] == weights[1]  # the fourth epoch without progress ends at the best weights
    assert weights[6] < weights[5] < weights[0] < 10


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    scenes = find_scenes(*[draw_scenes(tmp_path, 2)] * 2)
    model = Wanders([float("nan"), 1.0])
    training = Training(model, (Squares(scenes, 32), Squares(scenes, 32)), Recipe(size=32), torch.device("cpu"))
    with pytest.raises(TrainingError, match="the loss is nan in epoch 1"):
        training.run_epoch(silent)
    model.weight.data.fill_(float("inf"))
    with pytest.raises(TrainingError, match="the loss is inf in epoch 1"):
        training.run_epoch(silent)
    assert training.history == []


def small_wish(folder: Path, seed: int = 0) -> Wish:
    recipe = Recipe(size=64, batch=2, seed=seed, limits=TINY)
    return Wish(folder, folder, init="none", device="cpu", recipe=recipe)


@pytest.mark.long
def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    wish = small_wish(draw_scenes(tmp_path / "scenes", 4))
    whole = Run(Outputs(tmp_path / "whole.pt"), wish, resume=False)
    expected = [whole.next_epoch(silent), whole.next_epoch(silent)]
    assert Run(Outputs(tmp_path / "parts.pt"), wish, resume=False).next_epoch(silent) == expected[0]
    resumed = Run(Outputs(tmp_path / "parts.pt"), wish, resume=True)
    assert resumed.training.history == expected[:1]
    assert resumed.next_epoch(silent) == expected[1]
    report = json.loads(resumed.outputs.report.read_text())
    assert report == json.loads(whole.outputs.report.read_text())
    assert [len(report["train"]), len(report["validation"]), len(report["epochs"])] == [3, 1, 2]
    resumed.finish()
    assert (tmp_path / "parts.pt").stat().st_size > 1e8
    for picture in (resumed.outputs.curves, resumed.outputs.findings):
        with Image.open(picture) as drawn:
            assert drawn.format == "PNG"
    with pytest.raises(TrainingError, match="cannot go on with"):
        Run(resumed.outputs, replace(wish, recipe=replace(wish.recipe, batch=1)), resume=True)
    draw_scenes(tmp_path / "scenes", 6)
    with pytest.raises(TrainingError, match="begun with other photos"):
        Run(resumed.outputs, wish, resume=True)


def test_a_training_that_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    wish = small_wish(draw_scenes(tmp_path / "scenes", 2))
    with pytest.raises(TrainingError, match="nothing to go on from"):
        Run(Outputs(tmp_path / "a.pt"), wish, resume=True)
    (tmp_path / "a.resume.pt").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="cannot be gone on from"):
        Run(Outputs(tmp_path / "a.pt"), wish, resume=True)
    torch.save({"weights": torch.zeros(1)}, tmp_path / "a.resume.pt")
    with pytest.raises(TrainingError, match="is not the state of a training"):
        Run(Outputs(tmp_path / "a.pt"), wish, resume=True)


def test_photos_that_cannot_be_used_are_all_named_before_the_first_epoch(tmp_path: Path) -> None:
    scenes = draw_scenes(tmp_path / "scenes", 6)
    (scenes / "1.png").write_text("no picture")
    (scenes / "4.txt").write_text("1000,1000,1010,1010\n")
    run = Run(Outputs(tmp_path / "a.pt"), small_wish(scenes), resume=False)
    told: list[tuple[int, int]] = []
    with pytest.raises(TrainingError) as caught:
        run.prepare(lambda done, total: told.append((done, total)))
    assert "1.png: the file is neither" in str(caught.value)
    assert "4.png: the box (1000, 1000, 1010, 1010) lies outside" in str(caught.value)
    assert told[-1] == (6, 6)
    with pytest.raises(TrainingError, match="not even one epoch was finished"):
        run.finish()


def test_no_file_of_a_training_is_written_over_unasked(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "a.pt")
    outputs.must_be_new(force=False)
    outputs.report.write_text("somebody's own")
    with pytest.raises(BibwatchError, match="a.json: exists already"):
        outputs.must_be_new(force=False)
    outputs.must_be_new(force=True)
    with pytest.raises(TrainingError, match="name the weights .pt"):
        Outputs(tmp_path / "a.json").must_be_new(force=True)


@pytest.mark.parametrize(
    ("name", "part"),
    [("gpu", "is none of auto, cpu"), ("mps", "is none of auto, cpu"), ("cuda:97", "sees no such GPU")],
)
def test_a_device_that_is_not_there_is_an_error(name: str, part: str) -> None:
    with pytest.raises(TrainingError, match=part):
        torch_device(name)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_training_from_nothing_finds_drawn_bibs_through_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = draw_scenes(tmp_path / "scenes", 20)
    recipe = Recipe(size=128, batch=2, rate=0.01, patience=30, limits=LIMITS)
    run = Run(Outputs(tmp_path / "mine.pt"), Wish(scenes, scenes, "none", "cpu", recipe), resume=False)
    history = [run.next_epoch(silent)]
    while not (history[-1].best and history[-1].ap50 >= 0.9):
        assert len(history) < MOST_EPOCHS, history
        history.append(run.next_epoch(silent))
    assert history[-1].validation_loss < history[0].validation_loss
    # The engine's network sees 800 pixels: four new scenes, as large in it as those of the training were.
    chance = random.Random(99)
    photo = Image.new("RGB", (800, 800), (90, 120, 90))
    for x, y in ((40, 60), (560, 100), (80, 600), (600, 620)):
        photo.paste(draw_scene([close_runner(chance)], (128, 128), seed=x), (x, y))
    setup = DossardSetup(tmp_path / "mine.pt", 0.5, 800, easyocr_models(tmp_path / "easyocr"), False, 0.9)
    set_checksums_aside(monkeypatch)
    engine = DossardEngine(setup, "cpu", threads=2)
    readings = next(engine.read([np.asarray(photo)]))
    centres = [((r.box.x0 + r.box.x1) / 2, (r.box.y0 + r.box.y1) / 2) for r in readings if r.text == "7"]
    for x, y in ((40, 60), (560, 100), (80, 600), (600, 620)):
        assert any(x < cx < x + 128 and y < cy < y + 128 for cx, cy in centres), (centres, history)
