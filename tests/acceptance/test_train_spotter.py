"""The command `train-spotter`, as a person runs it."""

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from bibwatch.draw import bib_numbers, draw_event
from tests.support import BIBWATCH, stopped_by_hand

TRAIN_S = 120
LINE = ["2419", 0.9, [[40, 40], [90, 40], [90, 70], [40, 70]]]

needs_train = pytest.mark.skipif(find_spec("onnxscript") is None, reason="the extra train is not installed")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (picture, _) in enumerate(draw_event(bib_numbers(4, seed=1), 3, (320, 240), seed=1)):
        picture.save(folder / f"{number}.jpg")
    (folder / "lines.json").write_text(json.dumps({path.name: {"lines": [LINE]} for path in folder.glob("*.jpg")}))
    return folder


def train_spotter(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*BIBWATCH, "train-spotter", *map(str, arguments), "--device", "cpu"]
    return subprocess.run(command, capture_output=True, text=True, timeout=TRAIN_S, check=False)


@needs_train
@pytest.mark.long
@pytest.mark.timeout(2 * TRAIN_S)
def test_a_training_that_is_stopped_by_hand_goes_on_and_writes_all_its_files(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "spotter.onnx"
    arguments = [photos, out, "--views", "96", "--batch", "4"]
    command = [*BIBWATCH, "train-spotter", *map(str, arguments), "--device", "cpu"]
    lines, rest = stopped_by_hand(command, TRAIN_S)
    assert lines[0] == "2 photos to learn from, 1 to measure on, on cpu\n"
    assert lines[1].startswith("8 views: loss ")
    assert "stopped by hand; --resume goes on after" in rest
    assert "exists already" in train_spotter(*arguments).stderr
    result = train_spotter(*arguments, "--resume")
    assert result.returncode == 0, result.stderr
    assert "\n96 views: loss " in result.stdout
    assert "\n8 views" not in result.stdout
    assert f"{out}: finds " in result.stdout
    names = {f"spotter{ending}" for ending in (".onnx", "_int8.onnx", ".resume.pt", ".json", ".png")}
    assert {path.name for path in tmp_path.iterdir()} == names | {"photos"}


@needs_train
def test_photos_of_a_labelled_manifest_are_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.jpg").write_bytes((photos / "1.jpg").read_bytes())
    (tmp_path / "manifest.csv").write_text("file,bibs\nkept.jpg,2419\n")
    result = train_spotter(photos, tmp_path / "spotter.onnx", "--labelled", tmp_path / "manifest.csv")
    assert result.returncode == 1
    assert "1.jpg: has the content of the labelled photo" in result.stderr
    assert not (tmp_path / "spotter.onnx").exists()
