import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra train is not installed")

from bibwatch.read.ppocr.lines import rectangle
from bibwatch.train.spotter.cards import Card, draw_card, put

SIZE = 64


def card_of(colours: np.ndarray, covers: np.ndarray) -> Card:
    high, wide = covers.shape
    return Card(np.dstack((colours, covers)).astype(np.uint8), rectangle(1, 2, wide - 2, high - 4))


def test_a_card_lies_where_its_corners_go_and_so_does_its_number() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (16, 24, 3))
    picture = np.full((SIZE, SIZE, 3), 7, np.uint8)
    number = put(card_of(colours, np.full((16, 24), 255)), picture, rectangle(10, 20, 24, 16))
    assert (picture[20:36, 10:34] == colours).all()
    picture[20:36, 10:34] = 7
    assert (picture == 7).all()
    assert np.allclose(number, rectangle(11, 22, 22, 12), atol=1e-3)


@pytest.mark.parametrize("times", [3, 0.5])
def test_the_middle_of_a_card_stays_its_middle_at_other_sizes(times: float) -> None:
    colours = np.zeros((16, 26, 3))
    colours[:, 13:] = 255
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    put(card_of(colours, np.full((16, 26), 255)), picture, rectangle(32 - 13 * times, 10, 26 * times, 16 * times))
    row = picture[int(10 + 8 * times), :, 0].astype(int)
    assert abs(row[31] + row[32] - 255) <= 1
    assert row[28] == 0
    assert row[35] == 255


def test_what_lies_beyond_the_picture_is_cut_off() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (16, 24, 3))
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    put(card_of(colours, np.full((16, 24), 255)), picture, rectangle(-4, SIZE - 6, 24, 16))
    assert (picture[SIZE - 6 :, :20] == colours[:6, 4:]).all()
    number = put(card_of(colours, np.full((16, 24), 255)), picture, rectangle(-40, 5, 24, 16))
    assert np.allclose(number, rectangle(-39, 7, 22, 12), atol=1e-3)


def test_a_small_card_does_not_flicker() -> None:
    stripes = np.zeros((SIZE, SIZE, 3))
    stripes[:, ::2] = 255
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    put(card_of(stripes, np.full((SIZE, SIZE), 255)), picture, rectangle(20, 20, 8, 8))
    assert np.abs(picture[20:28, 20:28].astype(int) - 128).max() <= 1


def test_a_number_on_no_card_has_no_rim_of_its_colour() -> None:
    white = np.full((SIZE, SIZE, 3), 255)
    white[24:40, 24:40] = 0
    covers = np.zeros((SIZE, SIZE))
    covers[24:40, 24:40] = 255
    picture = np.full((SIZE, SIZE, 3), 50, np.uint8)
    put(card_of(white, covers), picture, rectangle(0.5, 0.5, SIZE, SIZE))
    assert picture.max() == 50
    assert picture.min() == 0


def test_numbers_are_drawn_within_their_cards() -> None:
    chance = np.random.default_rng(5)
    for card in (draw_card(chance) for _ in range(50)):
        high, wide = card.picture.shape[:2]
        assert (card.number > 0).all()
        assert (card.number < (wide, high)).all()
        inside = card.picture[:, :, :3].astype(int)
        x0, y0, x1, y1 = *card.number[0].astype(int), *card.number[2].astype(int)
        assert np.ptp(inside[y0:y1, x0:x1].mean(axis=2)) >= 60
