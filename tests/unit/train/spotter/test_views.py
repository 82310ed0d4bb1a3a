import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra train is not installed")

import cv2

from bibwatch.read.ppocr.spots import Maps, spots
from bibwatch.train.spotter.lessons import Lesson
from bibwatch.train.spotter.targets import targets
from bibwatch.train.spotter.views import Views

SIZE = 256
NOTHING = np.zeros((0, 4, 2), np.float32)
BLUE = (0, 0, 255)


def quad(x: float, y: float, wide: float, high: float) -> np.ndarray:
    return np.array([[(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]], np.float32)


@pytest.fixture
def lesson() -> Lesson:
    """A grey photo with one number, all of which is blue."""
    picture = np.full((400, 600, 3), 128, np.uint8)
    picture[150:190, 250:350] = BLUE
    half = cv2.resize(picture, (300, 200), interpolation=cv2.INTER_AREA)
    quarter = cv2.resize(picture, (150, 100), interpolation=cv2.INTER_AREA)
    return Lesson("a.jpg", picture, (half, quarter), quad(250, 150, 100, 40), NOTHING)


def test_a_view_is_made_of_its_number_alone(lesson: Lesson) -> None:
    views = Views([lesson], SIZE, seed=3)
    assert (views[7].picture == Views([lesson], SIZE, seed=3)[7].picture).all()
    assert (views[7].picture != views[8].picture).any()
    assert (views[7].picture != Views([lesson], SIZE, seed=4)[7].picture).any()


def test_numbers_lie_where_the_view_shows_them(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.train.spotter.views.WITH_CARDS", 0.0)
    monkeypatch.setattr("bibwatch.train.spotter.views.in_other_light", lambda picture, chance: picture)
    views = Views([lesson], SIZE, seed=0)
    compared = 0
    for view in (views[number] for number in range(60)):
        blue = (view.picture.astype(int) - BLUE).__abs__().sum(axis=2) < 120
        drawn = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(drawn, [np.rint(number).astype(int) for number in view.numbers], 1)
        if drawn.sum() > 400:
            compared += 1
            assert (blue & (drawn > 0)).sum() > 0.75 * (blue | (drawn > 0)).sum()
    assert compared > 15


def test_numbers_lie_where_the_view_shows_them_to_a_part_of_a_pixel(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibwatch.train.spotter.views.WITH_CARDS", 0.0)
    monkeypatch.setattr("bibwatch.train.spotter.views.in_other_light", lambda picture, chance: picture)
    views = Views([lesson], SIZE, seed=0)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    off = []
    for view in (views[number] for number in range(200)):
        blueness = np.maximum(0, 0.95 - view.picture[..., 0] / 128)  # nothing of the one colour beyond the photo
        for number in view.numbers:
            if number.min() > 3 and number.max() < SIZE - 3:
                there = np.array((np.average(columns, weights=blueness), np.average(rows, weights=blueness)))
                off.append(there - number.mean(axis=0))
    assert len(off) > 50
    assert np.abs(np.mean(off, axis=0)).max() < 0.05
    assert np.abs(off).max() < 0.3


def test_drawn_bibs_are_put_where_no_number_is(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.train.spotter.views.WITH_CARDS", 1.0)
    of_views = [len(Views([lesson], SIZE, seed=1)[number].numbers) for number in range(20)]
    assert max(of_views) >= 3
    bare = Lesson("b.jpg", np.full((400, 600, 3), 128, np.uint8), lesson.halves, NOTHING, quad(0, 0, 600, 400))
    assert any(len(Views([bare], SIZE, seed=1)[number].numbers) for number in range(5))


def test_of_doubtful_text_only_what_a_drawn_bib_covers_is_gone(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bibwatch.train.spotter.cards.PLAIN", 0.0)
    monkeypatch.setattr("bibwatch.train.spotter.views.in_other_light", lambda picture, chance: picture)
    grey = np.full((400, 600, 3), 128, np.uint8)
    doubtful = np.concatenate([quad(x, y, 12, 6) for x in range(0, 600, 24) for y in range(0, 400, 16)])
    views = Views([Lesson("a.jpg", grey, (grey[::2, ::2], grey[::4, ::4]), NOTHING, doubtful)], SIZE, seed=2)
    gone = 0
    for number in range(30):
        monkeypatch.setattr("bibwatch.train.spotter.views.WITH_CARDS", 0.0)
        before = [quad for quad in views[number].unsure if ((quad > 0) & (quad < SIZE)).all()]
        monkeypatch.setattr("bibwatch.train.spotter.views.WITH_CARDS", 1.0)
        view = views[number]
        for quad_before in before:
            column, row = quad_before.mean(axis=0).astype(int)
            around = (view.picture[row - 1 : row + 2, column - 1 : column + 2] == 128).all(axis=2)
            kept = any(np.array_equal(quad_before, one) for one in view.unsure)
            if around.all() or not around.any():  # not at the edge of a drawn bib
                assert kept == around.all()
                gone += not kept
    assert gone > 50


def test_the_targets_of_boxes_are_understood_as_these_boxes() -> None:
    numbers = np.concatenate([quad(20, 30, 60, 24), quad(150, 100, 90, 30), quad(40, 200, 12, 6)])
    wanted = targets(numbers, quad(200, 200, 40, 40), SIZE)
    found = spots(Maps(wanted.heat, wanted.shape), SIZE, SIZE, 0.9)
    assert len(found) == 3
    for number in numbers:
        assert min(np.abs(one.corners - number).max() for one in found) < 0.01
    assert wanted.counts[52:58, 52:58].max() == 0  # neither right nor wrong
    assert wanted.counts[10:12, 10:14].min() == 1
    assert wanted.boxed[40, 5] == 0
