from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="the extra train is not installed")

import onnxruntime

from bibwatch.draw import bib_numbers, draw_event
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.on_cpu import CpuNetworks
from bibwatch.train.quantise import quantise

SIZE = (960, 640)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("drawn")
    paths = [folder / f"{number}.jpg" for number in range(2)]
    for path, (picture, _) in zip(paths, draw_event(bib_numbers(6, seed=3), 2, SIZE, seed=3), strict=True):
        picture.save(path)
    return paths


@pytest.mark.long
def test_the_detector_made_of_photos_sees_what_the_whole_one_sees(photos: list[Path], tmp_path: Path) -> None:
    quantise(photos, tmp_path / "made.onnx")
    assert (tmp_path / "made.onnx").stat().st_size < 0.4 * models.detector().stat().st_size
    made = onnxruntime.InferenceSession(tmp_path / "made.onnx", providers=["CPUExecutionProvider"])
    picture = np.asarray(Image.open(photos[0]))
    [heat] = made.run(None, {"pictures": picture[np.newaxis]})
    [expected] = CpuNetworks("thorough").detect([picture], *picture.shape[:2])
    seen, whole = heat[0, 0] > 0.5, expected > 127
    assert whole.sum() > 500
    assert (seen & whole).sum() > 0.8 * (seen | whole).sum()
