import numpy as np
import pytest

from bibwatch.read.ppocr.lines import DETECTOR_SIGHT, LINE_WIDTH, Cut, LineFinder, box_of, by_width, seen_size
from bibwatch.values import Box


def cut(wide: int, high: int, x: float = 0.0, y: float = 0.0) -> Cut:
    corners = np.array(((x, y), (x + wide, y), (x + wide, y + high), (x, y + high)), np.float32)
    return Cut(corners, 0.9, wide, high)


@pytest.mark.parametrize(
    ("photo", "seen"),
    [
        ((4000, 6000), (1376, 2048)),  # shrunk, as large as the detector takes it
        ((1365, 2048), (1376, 2048)),
        ((900, 1200), (1344, 1792)),  # one and a half times as large
        ((342, 512), (1056, 1600)),  # the smallest are enlarged most
        ((4, 30_000), (32, 2048)),  # a strip keeps a height
    ],
)
def test_the_detector_sees_photos_in_multiples_of_32_pixels(photo: tuple[int, int], seen: tuple[int, int]) -> None:
    assert seen_size(*photo, DETECTOR_SIGHT) == seen


def test_a_line_is_found_in_the_photos_own_pixels() -> None:
    heat = np.zeros((320, 640), np.uint8)
    heat[100:130, 200:300] = 230
    [found] = LineFinder().lines(heat, 960, 1920)
    box = box_of(found, 960, 1920)
    assert (box.x0 < 600, box.x1 > 900, box.y0 < 300, box.y1 > 390) == (True, True, True, True)
    assert found.wide > found.high
    assert found.detection_score == pytest.approx(230 / 255, abs=0.1)


def test_a_faint_or_tiny_trace_is_no_line() -> None:
    heat = np.zeros((320, 640), np.uint8)
    heat[100:130, 200:300] = 100
    heat[200:202, 200:202] = 255
    assert LineFinder().lines(heat, 320, 640) == []


def test_text_that_stands_is_read_from_below() -> None:
    heat = np.zeros((640, 320), np.uint8)
    heat[200:300, 100:130] = 230
    [found] = LineFinder().lines(heat, 640, 320)
    assert found.wide > 2 * found.high
    start, along = found.corners[0], found.corners[1]
    assert start[0] > along[0] - 1  # the text's top is at the right
    assert abs(start[1] - along[1]) > 90


def test_a_banner_is_no_line() -> None:
    heat = np.zeros((320, 1600), np.uint8)
    heat[100:106, 10:1590] = 255
    assert LineFinder().lines(heat, 320, 1600) == []


def test_lines_of_one_padded_width_go_together() -> None:
    cuts = [cut(40, 48), cut(150, 48), cut(301, 48), cut(304, 48), cut(90, 48)]
    assert list(by_width(cuts, 9)) == [(LINE_WIDTH, [0, 1, 4]), (304, [2, 3])]
    assert list(by_width(cuts, 2)) == [(LINE_WIDTH, [0, 1]), (LINE_WIDTH, [4]), (304, [2, 3])]


def test_a_box_ends_where_the_photo_does() -> None:
    assert box_of(cut(100, 40, x=-3.5, y=-2.5), 30, 90) == Box(0, 0, 90, 30)
