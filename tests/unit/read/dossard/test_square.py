import random
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
import pytest
from PIL import Image

from bibwatch.draw import Runner, draw_scene
from bibwatch.read.dossard.square import Square
from bibwatch.values import Box
from tests import notebook

SIZES = [(640, 480), (641, 480), (480, 641), (479, 640), (500, 500), (30, 700)]


@pytest.mark.parametrize("size", SIZES)
def test_a_drawn_photo_lies_in_its_square_as_in_the_notebooks(shared: Path, size: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms.functional")
    scope = notebook.functions(shared, "pad_to_square", np=np, random=random, TF=transforms)
    photo = draw_scene([Runner("2419", 0.5, 0.9)], size, seed=3)
    params = {"pad2square": True, "image_resize": True, "target_size": (200, 200), "p_hflip": 0}
    x0, y0, x1, y1 = size[0] // 3, size[1] // 4, size[0] - size[0] // 5, size[1]
    theirs, [their_box] = scope["transformer"](photo, [[x0, y0, x1, y1]], params)
    square = Square(*size, 200)
    ours = square.picture(np.asarray(photo))
    np.testing.assert_array_equal(ours, np.asarray(theirs))
    floats = transforms.to_tensor(theirs).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(ours.astype(np.float32) / 255, floats, atol=1e-7)
    assert square.from_photo(Box(x0, y0, x1, y1)) == Box(*(int(number) for number in their_box))


@pytest.mark.parametrize("size", SIZES)
def test_a_box_comes_back_to_the_pixels_it_touches(size: tuple[int, int]) -> None:
    square = Square(*size, 100)
    box = Box(size[0] // 3, size[1] // 4, size[0] - size[0] // 5, size[1])
    there = square.from_photo(box)
    back = square.to_photo(Box(there.x0, there.y0, there.x1 + 1, there.y1 + 1))  # whole pixels around the truncated
    assert back.x0 <= box.x0
    assert back.y0 <= box.y0
    assert back.x1 >= box.x1
    assert back.y1 >= box.y1
    assert 0 <= back.x0 < back.x1 <= size[0]
    assert 0 <= back.y0 < back.y1 <= size[1]


def test_boxes_of_a_square_without_scale_move_by_the_padding_only() -> None:
    assert Square(101, 200, 200).to_photo(Box(49, 10, 150, 30)) == Box(0, 10, 101, 30)
    assert Square(200, 101, 200).to_photo(Box(10, 60, 30, 80)) == Box(10, 11, 30, 31)


def test_a_box_in_the_padding_alone_becomes_the_nearest_pixel() -> None:
    assert Square(100, 200, 200).to_photo(Box(0, 0, 20, 20)) == Box(0, 0, 1, 20)
    assert Square(100, 200, 200).to_photo(Box(180, 0, 200, 20)) == Box(99, 0, 100, 20)


@pytest.mark.parametrize("size", [(30_000, 90), (90, 30_000)])
def test_a_panorama_takes_no_more_memory_than_a_photo(size: tuple[int, int]) -> None:
    before = getrusage(RUSAGE_SELF).ru_maxrss
    picture = Square(*size, 400).picture(np.full((size[1], size[0], 3), 255, np.uint8))
    assert picture.shape == (400, 400, 3)
    assert 0 < picture.max() <= 255
    assert (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024 < 500  # MiB; the whole padded square would take 2.5 GiB


def test_the_padding_is_black() -> None:
    white = np.full((10, 20, 3), 255, np.uint8)
    picture = Square(20, 10, 20).picture(white)
    assert picture.shape == (20, 20, 3)
    assert picture[:5].max() == picture[15:].max() == 0
    assert picture[5:15].min() == 255
    assert Image.fromarray(picture).size == (20, 20)
