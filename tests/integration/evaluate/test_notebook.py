import os
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="the extra dossard is not installed")
pytest.importorskip("easyocr", reason="the extra dossard is not installed")

from bibwatch.evaluate import notebook
from bibwatch.evaluate.notebook import NotebookWay
from tests.models import easyocr_models, set_checksums_aside, whole_picture_weights
from tests.support import draw_photo


@pytest.mark.long
def test_without_easyocrs_models_only_the_detector_is_run_and_that_is_said(tmp_path: Path) -> None:
    weights = whole_picture_weights(tmp_path / "mine.pt")
    way = NotebookWay(weights, tmp_path / "none", "cpu", threads=2)
    assert way.ran == f"Faster R-CNN with mine.pt, and no OCR, as EasyOCR's models are not in {tmp_path / 'none'}"
    assert way.read([draw_photo(tmp_path / "a.jpg", "7", size=(300, 200))], 1) > 0


def test_random_weights_are_looked_at_no_further_and_other_gpus_stay_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    way = NotebookWay(None, easyocr_models(tmp_path / "easyocr"), "auto", threads=2)
    assert way.ran.startswith("Faster R-CNN with random weights, and so no OCR")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"


@pytest.mark.long
def test_with_all_models_every_dossard_is_looked_at_four_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_checksums_aside(monkeypatch)
    monkeypatch.setattr(notebook, "IMAGE_SIZE", 64)  # pixels: four looks at a large dossard take a minute
    weights, models = whole_picture_weights(tmp_path / "mine.pt"), easyocr_models(tmp_path / "easyocr")
    way = NotebookWay(weights, models, "cpu", threads=2)
    assert way.ran == "Faster R-CNN with mine.pt, then EasyOCR's four passes"
    assert way.read([draw_photo(tmp_path / "a.jpg", "7", size=(60, 40))], 1) > 0
