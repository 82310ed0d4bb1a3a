import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="the extra train is not installed")

import onnxruntime

from bibwatch.draw import bib_numbers, draw_event
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.on_cpu import CpuNetworks, RecogniserOnCpu
from bibwatch.read.ppocr.spots import spots
from bibwatch.read.ppocr.texts import CHARACTERS, LineReader
from bibwatch.train.quantise import __main__ as program

SIZE = (960, 640)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("drawn")
    paths = [folder / f"{number}.jpg" for number in range(2)]
    for path, (picture, _) in zip(paths, draw_event(bib_numbers(6, seed=3), 2, SIZE, seed=3), strict=True):
        picture.save(path)
    return paths


def made_by_the_program(network: str, photos: list[Path], out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["quantise", network, *map(str, photos), "--out", str(out)])
    program.main()


@pytest.mark.long
def test_the_detector_made_of_photos_sees_what_the_whole_one_sees(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by_the_program("detector", photos, tmp_path / "made.onnx", monkeypatch)
    assert (tmp_path / "made.onnx").stat().st_size < 0.4 * models.detector().stat().st_size
    made = onnxruntime.InferenceSession(tmp_path / "made.onnx", providers=["CPUExecutionProvider"])
    picture = np.asarray(Image.open(photos[0]))
    [heat] = made.run(None, {"pictures": picture[np.newaxis]})
    [expected] = CpuNetworks("thorough").detect([picture], *picture.shape[:2])
    seen, whole = heat[0, 0] > 0.5, expected > 127
    assert whole.sum() > 500
    assert (seen & whole).sum() > 0.8 * (seen | whole).sum()


@pytest.mark.long
def test_the_recogniser_made_of_photos_reads_what_the_whole_one_reads(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by_the_program("recogniser", photos, tmp_path / "made.onnx", monkeypatch)
    assert (tmp_path / "made.onnx").stat().st_size < 0.2 * models.recogniser().stat().st_size
    made = RecogniserOnCpu(tmp_path / "made.onnx", in_bytes=True)
    networks = CpuNetworks("thorough")
    [whole] = networks.recognisers
    assert set(CHARACTERS) < set(made.alphabet)
    assert len(made.alphabet) < 0.1 * len(whole.alphabet)
    picture = np.asarray(Image.open(photos[0]))
    cuts = spots(networks.spot([picture], *picture.shape[:2])[0], *picture.shape[:2], 0.3)
    lines = networks.cut(picture, cuts)
    texts, expected = ([text.text for text in LineReader(one, 4).read(lines, cuts)] for one in (made, whole))
    assert len(expected) >= 3
    assert sum(text == other for text, other in zip(texts, expected, strict=True)) >= 0.7 * len(expected)
