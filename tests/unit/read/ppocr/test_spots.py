import numpy as np
import pytest

from bibwatch.read.ppocr.spots import CELL, MOST, Maps, corners_of, shapes_of, spots

HEIGHT, WIDTH = 160, 320  # pixels of the picture that the spotter sees


def box(x: float, y: float, wide: float, high: float, degrees: float = 0.0) -> np.ndarray:
    """The corners of a box around a middle, clockwise from the top left of its text, turned clockwise."""
    angle = np.radians(degrees)
    along, down = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
    edges = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array([(x, y) + right * wide / 2 * along + below * high / 2 * down for right, below in edges], np.float32)


def maps_of(*boxes: tuple[np.ndarray, float]) -> Maps:
    """Maps that are cold but for the cells in the middles of these boxes, with their heats."""
    maps = Maps(
        np.zeros((HEIGHT // CELL, WIDTH // CELL), np.float32), np.zeros((6, HEIGHT // CELL, WIDTH // CELL), np.float32)
    )
    for corners, heat in boxes:
        [middle], [told] = shapes_of(corners[np.newaxis])
        column, row = middle.astype(int)
        maps.heat[row, column] = heat
        maps.shape[:, row, column] = (*(middle - (column + 0.5, row + 0.5)), *told)
    return maps


@pytest.mark.parametrize("degrees", [0, 12, -30, 90, 180])
def test_a_box_is_told_and_understood(degrees: float) -> None:
    corners = box(101.5, 63.25, 60, 24, degrees)
    middles, told = shapes_of(corners[np.newaxis])
    place = middles.astype(int)
    shapes = np.concatenate((middles - place - 0.5, told), axis=1)
    assert corners_of(shapes, place[:, 1], place[:, 0])[0] == pytest.approx(corners, abs=1e-3)


def test_a_number_is_found_in_the_photos_own_pixels() -> None:
    [found] = spots(maps_of((box(100, 60, 60, 24), 0.8)), 3 * HEIGHT, 3 * WIDTH, 0.3)
    assert found.corners == pytest.approx(3 * box(100, 60, 60, 24), abs=1e-2)
    assert (found.wide, found.high) == (180, 72)
    assert found.detection_score == pytest.approx(0.8)


def test_what_is_colder_than_asked_for_is_none() -> None:
    assert spots(maps_of((box(100, 60, 60, 24), 0.29)), HEIGHT, WIDTH, 0.3) == []


def test_one_number_is_found_once_by_its_highest_place() -> None:
    beside = box(110, 60, 50, 20)  # its middle lies well within the other
    found = spots(maps_of((beside, 0.6), (box(100, 60, 60, 24), 0.8)), HEIGHT, WIDTH, 0.3)
    assert [one.detection_score for one in found] == pytest.approx([0.8])


def test_numbers_beside_and_below_each_other_are_all_found_the_surest_first() -> None:
    boxes = (box(60, 40, 60, 24), 0.5), (box(60, 66, 60, 24), 0.9), (box(130, 40, 60, 24), 0.7)
    found = spots(maps_of(*boxes), HEIGHT, WIDTH, 0.3)
    assert [one.detection_score for one in found] == pytest.approx([0.9, 0.7, 0.5])


def test_a_box_without_extent_is_none() -> None:
    assert spots(maps_of((box(100, 60, 0.1, 0.1), 0.9)), HEIGHT, WIDTH, 0.3) == []


def test_no_picture_has_numbers_without_bound() -> None:
    chance = np.random.default_rng(1)
    maps = Maps(chance.uniform(0.5, 1, (256, 256)).astype(np.float32), np.zeros((6, 256, 256), np.float32))
    maps.shape[4] = 1
    assert 0 < len(spots(maps, 1024, 1024, 0.3)) <= MOST
