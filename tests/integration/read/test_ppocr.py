import os
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pytest
from PIL import Image

from bibwatch.read.photo_file import decode
from bibwatch.read.ppocr import LONG_SIDE, PpocrEngine, fingerprint
from tests.support import draw_photo


@pytest.fixture(scope="module")
def engine() -> PpocrEngine:
    return PpocrEngine()


def test_drawn_bibs_are_read_where_they_are(engine: PpocrEngine, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "2419", "3071", size=(800, 600)).read_bytes()
    readings = {reading.text: reading for reading in next(engine.read([decode(data, last_look=False)]))}
    assert readings.keys() == {"2419", "3071"}
    left, right = readings["2419"], readings["3071"]
    assert left.box.x1 < 400 < right.box.x0
    assert left.engine == right.engine == fingerprint()
    assert min(left.score, left.detection_score) > 0.5


def test_a_photo_larger_than_the_detector_sees_keeps_its_own_pixels(engine: PpocrEngine, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "17", "2419", size=(2 * LONG_SIDE, 1600)).read_bytes()
    boxes = {reading.text: reading.box for reading in next(engine.read([decode(data, last_look=False)]))}
    assert boxes["2419"].x0 > LONG_SIDE
    assert boxes["17"].x1 < LONG_SIDE


@pytest.mark.parametrize("size", [(640, 480), (8, 8), (3000, 4), (4, 30_000)])
def test_a_picture_without_text_has_no_readings(engine: PpocrEngine, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (90, 140, 90)).save(tmp_path / "a.png")
    before = getrusage(RUSAGE_SELF).ru_maxrss
    assert list(engine.read([decode((tmp_path / "a.png").read_bytes(), last_look=False)])) == [()]
    grown_mib = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 2000  # a strip enlarged by its short side would take tens of gigabytes


def test_the_notebooks_own_photo_is_read(engine: PpocrEngine, shared: Path) -> None:
    photo = shared / "photos" / "jipwulffele" / "54439049544_983bf7e3e7_o.jpg"
    texts = {reading.text for reading in next(engine.read([decode(photo.read_bytes(), last_look=False)]))}
    assert texts >= {"2163", "2642", "2656"}


def test_the_engine_tells_nobody_of_its_work_and_writes_nothing_at_home(tmp_path: Path) -> None:
    told = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}  # what would silence it, or send it elsewhere
    environment = {name: value for name, value in os.environ.items() if name not in told} | {"HOME": str(tmp_path)}
    program = "from bibwatch.read.ppocr import PpocrEngine; PpocrEngine()"
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
