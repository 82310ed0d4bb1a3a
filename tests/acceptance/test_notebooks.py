"""What people who come from the notebooks type."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.scenes import draw_scenes
from tests.support import BIBWATCH, Race, draw_photo, stopped_by_hand

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from bibwatch.cli import main; main()"
TRAIN_S = 900  # a generous limit: two cores take about 20 s a photo
needs_dossard = pytest.mark.skipif(find_spec("easyocr") is None, reason="the extra dossard is not installed")
needs_train = pytest.mark.skipif(find_spec("torchmetrics") is None, reason="the extra train is not installed")


def bibwatch(*arguments: str | Path, without_torch: bool = False) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT_TORCH] if without_torch else BIBWATCH
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=TRAIN_S, check=False)


def test_a_csv_comes_in_links_and_goes_out_again(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "3071")
    labels = race.folder / "images_dossard_labels.csv"
    labels.write_text(
        "image_name,bbox,bbox_score,ocr_text,ocr_score\n"
        'a.jpg,"[100, 200, 300, 400]",0.9,2419,0.8\n'
        'b.jpg,"[100, 200, 300, 400]",0.9,2419,0.8\n'
    )
    taken = race.command("import-csv", str(labels))
    assert taken.returncode == 0
    assert "1 of 2 rows taken, for 1 photo; 0 photos in the watched folders without a row" in taken.stdout
    assert "labels.csv, line 3: b.jpg: no photo of this name" in taken.stderr
    assert race.command("link").returncode == 0
    assert race.links() == {"2419/a.jpg"}
    out = race.folder / "out.csv"
    assert "1 row in" in race.command("export-csv", str(out)).stdout
    assert out.read_text() == "".join(labels.read_text().splitlines(keepends=True)[:2])
    again = race.command("export-csv", str(out))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert race.command("export-csv", "--force", str(out)).returncode == 0
    read = json.loads(race.command("scan", "--json").stdout)
    assert (read["read"], read["reused"]) == (0, 1)
    assert race.links() == {"2419/a.jpg"}


def test_annotations_become_box_files(tmp_path: Path) -> None:
    (tmp_path / "via.csv").write_text(
        "filename,region_count,region_shape_attributes\n"
        'a.jpg,1,"{""name"":""rect"",""x"":1,""y"":2,""width"":3,""height"":4}"\n'
        'b.jpg,1,"{""name"":""polygon""}"\n'
    )
    result = bibwatch("convert-vgg", tmp_path / "via.csv", tmp_path / "boxes")
    assert result.returncode == 0
    assert "1 file with 1 box in" in result.stdout
    assert "line 3: b.jpg: its region is a polygon" in result.stderr
    assert (tmp_path / "boxes" / "a.txt").read_text() == "1,2,4,6\n"


def test_without_its_extra_the_engine_says_what_to_install_and_all_else_works(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    (race.folder / "mine.pt").touch()
    race.configure("all", "reader: {dossard: {weights: mine.pt}}\n")
    for command in ("run", "scan"):
        result = bibwatch(command, "-c", race.config, without_torch=True)
        assert result.returncode == 2
        assert "pip install 'bibwatch[dossard]'" in result.stderr
    result = bibwatch("train", race.incoming, race.incoming, race.folder / "out.pt", without_torch=True)
    assert result.returncode == 2
    assert "pip install 'bibwatch[train]'" in result.stderr
    race.configure("all", "reader: {engine: ppocr, dossard: {weights: mine.pt}}\n")
    assert bibwatch("scan", "-c", race.config, without_torch=True).returncode == 0
    assert race.links() == {"2419/a.jpg"}
    (race.folder / "mine.pt").unlink()
    race.configure("[]", "reader: {dossard: {weights: mine.pt}}\n")
    assert bibwatch("find", "-c", race.config, "2419", without_torch=True).stdout == f"{race.incoming / 'a.jpg'}\n"
    assert bibwatch("link", "-c", race.config, without_torch=True).returncode == 0
    assert race.links() == set()


@pytest.mark.long
@needs_dossard
def test_check_names_what_the_engine_lacks_before_it_loads_anything(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    (race.folder / "mine.pt").write_bytes(b"no weights")
    reader = "reader: {dossard: {weights: mine.pt, easyocr_models: models, download: false}}\n"
    race.configure("all", reader)
    result = race.command("check")
    assert result.returncode == 1
    line, weights = [line for line in result.stdout.splitlines() if line.startswith("MEND")]
    assert "mine.pt: is no file of PyTorch weights" in weights
    for part in ("engine dossard", "craft_mlt_25k.pth", "english_g2.pth", str(race.folder / "models")):
        assert part in line
    result = race.command("scan")
    assert result.returncode == 3
    assert "is no file of PyTorch weights" in result.stderr


@needs_dossard
@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_a_gpu_asked_for_and_absent_is_an_error(race: Race) -> None:
    (race.folder / "mine.pt").touch()
    draw_photo(race.incoming / "a.jpg", "2419")
    race.configure("all", "reader: {device: 'cuda:0', dossard: {weights: mine.pt}}\n")
    result = race.command("scan")
    assert result.returncode == 3
    assert "device cuda:0 was asked for, but torch" in result.stderr
    assert race.links() == set()


@needs_train
@pytest.mark.long
@pytest.mark.timeout(TRAIN_S)
def test_training_keeps_the_best_when_stopped_by_hand_and_goes_on(tmp_path: Path) -> None:
    scenes = draw_scenes(tmp_path / "scenes", 3)
    out = tmp_path / "mine.pt"
    command = [*BIBWATCH, "train", scenes, scenes, out, "--init", "none", "--size", "128", "--batch", "1"]
    lines, rest = stopped_by_hand(command, TRAIN_S)
    assert lines[0] == "2 photos to train on, 1 to validate on, on cpu\n"
    assert lines[1].startswith("epoch 1: loss ")
    assert "stopped by hand" in rest
    assert f"{out}: the weights of epoch 1" in rest
    names = {"mine.pt", "mine.json", "mine.resume.pt", "mine.losses.png", "mine.validation.png", "scenes"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "exists already" in bibwatch(*command[1:]).stderr
    result = bibwatch(*command[1:], "--resume", "--epochs", "2")
    assert result.returncode == 0, result.stderr
    assert "epoch 2: loss" in result.stdout
    assert "epoch 1: loss" not in result.stdout
    assert len(json.loads((tmp_path / "mine.json").read_text())["epochs"]) == 2


@needs_train
def test_weights_that_cannot_be_had_to_begin_with_are_explained(tmp_path: Path) -> None:
    scenes = draw_scenes(tmp_path / "scenes", 2)
    result = bibwatch("train", scenes, scenes, tmp_path / "mine.pt", "--init", tmp_path / "none.pt")
    assert result.returncode == 1
    assert "neither coco, none nor a file of weights" in result.stderr
