import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from bibwatch.read import engine as engines
from bibwatch.read.engine import Engine, EngineSetup, fingerprint
from bibwatch.read.photo_file import decode
from bibwatch.read.ppocr import engine as engine_of_ppocr
from bibwatch.read.ppocr import models, texts
from bibwatch.read.ppocr.doubt import Seen
from bibwatch.read.ppocr.engine import PpocrEngine
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT
from bibwatch.read.ppocr.on_cpu import CpuNetworks, multiplies_bytes_well
from bibwatch.read.ppocr.spots import spots
from bibwatch.values import Box, Effort
from tests.support import draw_photo

LONG_SIDE = DETECTOR_SIGHT.large
BALANCED = EngineSetup("cpu", threads=1)


def built(setup: EngineSetup) -> Engine:
    return engines.build(setup, fingerprint(setup))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return built(BALANCED)


def test_drawn_bibs_are_read_where_they_are(engine: Engine, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(800, 600)).read_bytes()
    readings = {reading.text: reading for reading in next(engine.read([decode(data, last_look=False)]))}
    assert readings.keys() == {"2419", "3071"}
    left, right = readings["2419"], readings["3071"]
    assert left.box.x1 < 400 < right.box.x0
    assert left.engine == right.engine == fingerprint(BALANCED)
    assert min(left.score, left.detection_score) > 0.5


def test_a_photo_larger_than_the_detector_sees_keeps_its_own_pixels(engine: Engine, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "17", "2419", size=(2 * LONG_SIDE, 1600)).read_bytes()
    boxes = {reading.text: reading.box for reading in next(engine.read([decode(data, last_look=False)]))}
    assert boxes["2419"].x0 > LONG_SIDE
    assert boxes["17"].x1 < LONG_SIDE


@pytest.mark.parametrize("size", [(640, 480), (8, 8), (3000, 4), (4, 30_000)])
def test_a_picture_without_text_has_no_readings(engine: Engine, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (90, 140, 90)).save(tmp_path / "a.png")
    before = getrusage(RUSAGE_SELF).ru_maxrss
    assert list(engine.read([decode((tmp_path / "a.png").read_bytes(), last_look=False)])) == [()]
    grown_mib = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 2000  # a strip enlarged by its short side would take tens of gigabytes


def test_the_notebooks_own_photo_is_read(engine: Engine, shared: Path) -> None:
    photo = shared / "photos" / "jipwulffele" / "54439049544_983bf7e3e7_o.jpg"
    texts = {reading.text for reading in next(engine.read([decode(photo.read_bytes(), last_look=False)]))}
    assert texts >= {"2163", "2642", "2656"}


@pytest.mark.parametrize("effort", get_args(Effort))
def test_every_effort_reads_a_plain_bib_and_marks_its_readings(effort: Effort, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(800, 600)).read_bytes()
    engine = built(EngineSetup("cpu", threads=1, effort=effort))
    readings = next(engine.read([decode(data, last_look=False)]))
    assert {reading.text for reading in readings} == {"2419", "3071"}
    assert {reading.engine for reading in readings} == {engine.name}
    assert engine.stages.take().keys() == {"decode", "detect", "crop", "recognise"}


def test_efforts_have_marks_of_their_own() -> None:
    assert len({fingerprint(EngineSetup("cpu", threads=1, effort=effort)) for effort in get_args(Effort)}) == 3


def test_photos_read_together_have_their_own_readings(engine: Engine, tmp_path: Path) -> None:
    sizes = [(800, 600), (600, 800), (800, 600)]
    photos = [draw_photo(tmp_path / f"{n}.jpg", f"24{n}", size=size).read_bytes() for n, size in enumerate(sizes)]
    together = list(engine.read([decode(photo, last_look=False) for photo in photos]))
    assert [{reading.text for reading in readings} for readings in together] == [{"240"}, {"241"}, {"242"}]


def test_the_detector_in_bytes_sees_what_the_whole_one_sees(tmp_path: Path) -> None:
    if not multiplies_bytes_well():
        pytest.skip("this processor multiplies bytes no faster, so the whole detector is always taken")
    picture = decode(draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(960, 640)).read_bytes(), last_look=False)
    in_bytes, whole = (CpuNetworks(effort).detect([picture], 640, 960)[0] for effort in ("balanced", "thorough"))
    seen, seen_whole = in_bytes > 127, whole > 127
    assert seen_whole.sum() > 1000
    assert (seen & seen_whole).sum() > 0.85 * (seen | seen_whole).sum()


def test_the_spotter_in_bytes_sees_what_the_whole_one_sees(tmp_path: Path) -> None:
    if not multiplies_bytes_well():
        pytest.skip("this processor multiplies bytes no faster, so the whole spotter is always taken")
    picture = decode(draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(960, 640)).read_bytes(), last_look=False)
    ways = (CpuNetworks(effort).spot([picture], 640, 960)[0] for effort in ("balanced", "thorough"))
    in_bytes, whole = (spots(maps, 640, 960, 0.5) for maps in ways)  # that both are sure of
    assert len(in_bytes) == len(whole) == 2
    for one in whole:
        assert min(abs(other.corners - one.corners).max() for other in in_bytes) < one.high / 3


def test_the_recogniser_in_bytes_reads_what_the_whole_one_reads(tmp_path: Path) -> None:
    if not multiplies_bytes_well():
        pytest.skip("this processor multiplies bytes no faster, so the whole recogniser is always taken")
    picture = decode(draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(960, 640)).read_bytes(), last_look=False)
    networks = CpuNetworks("fast")
    cuts = spots(networks.spot([picture], 640, 960)[0], 640, 960, 0.3)
    lines = networks.cut(picture, cuts)
    in_bytes, whole = (texts.LineReader(recogniser, most=4).read(lines, cuts) for recogniser in networks.recognisers)
    assert {text.text for text in whole} == {"2419", "3071"}
    assert [text.text for text in in_bytes] == [text.text for text in whole]
    assert min(text.score for text in (*in_bytes, *whole)) > texts.SURE


def test_balanced_finds_what_the_spotter_is_in_doubt_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_of_ppocr, "LEAST_HEAT", 0.999)  # it sees nothing, so that the photo is in doubt
    data = draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(800, 600)).read_bytes()
    [readings] = built(BALANCED).read([decode(data, last_look=False)])
    assert {reading.text for reading in readings} == {"2419", "3071"}


def test_what_is_in_doubt_is_looked_at_again_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decode(draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(1400, 700)).read_bytes(), last_look=False)
    whole = {reading.text: reading for reading in next(built(replace(BALANCED, effort="thorough")).read([picture]))}
    parts: list[Box] = []

    class Watched(CpuNetworks):
        def part(self, picture: np.ndarray, box: Box) -> np.ndarray:
            parts.append(box)
            return super().part(picture, box)

    monkeypatch.setattr(Seen, "is_sure", property(lambda one: one.text.text == "2419"))
    [readings] = PpocrEngine(Watched("balanced"), "balanced", "watched").read([picture])
    again = {reading.text: reading for reading in readings}
    assert again.keys() == whole.keys() == {"2419", "3071"}
    assert len(parts) == 1
    assert parts[0].x0 > 500
    assert tuple(again["3071"].box) == pytest.approx(tuple(whole["3071"].box), abs=6)


def test_photos_that_are_looked_at_wholly_keep_their_own_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Whole(CpuNetworks):
        looks_at_parts = False

    monkeypatch.setattr(Seen, "is_sure", property(lambda one: one.text.text.startswith("1")))
    sizes = [(800, 600), (600, 800), (800, 600)]
    photos = [draw_photo(tmp_path / f"{n}.jpg", f"1{n}", f"24{n}", size=size) for n, size in enumerate(sizes)]
    pictures = [decode(photo.read_bytes(), last_look=False) for photo in photos]
    together = list(PpocrEngine(Whole("balanced"), "balanced", "whole").read(pictures))
    texts = [sorted(reading.text for reading in readings) for readings in together]
    assert texts == [["10", "240"], ["11", "241"], ["12", "242"]]


@pytest.mark.parametrize(
    ("name", "effort"), [("SMALL_SPOTTER", "fast"), ("SMALL_RECOGNISER", "fast"), ("SMALL_DETECTOR", "balanced")]
)
def test_a_damaged_model_is_known_before_the_first_photo(
    name: str, effort: Effort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not multiplies_bytes_well():
        pytest.skip("this processor takes the other models")
    (tmp_path / "cut.onnx").write_bytes(getattr(models, name).read_bytes()[:1000])
    monkeypatch.setattr(models, name, tmp_path / "cut.onnx")
    with pytest.raises(Exception, match="cut.onnx"):
        CpuNetworks(effort)


def test_the_engine_tells_nobody_of_its_work_and_writes_nothing_at_home(tmp_path: Path) -> None:
    told = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}  # what would silence it, or send it elsewhere
    environment = {name: value for name, value in os.environ.items() if name not in told} | {"HOME": str(tmp_path)}
    setup = "EngineSetup('cpu', threads=1)"
    program = f"from bibwatch.read.engine import *; build({setup}, fingerprint({setup}))"
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
