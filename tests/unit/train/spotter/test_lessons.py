from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torchvision", reason="the extra train is not installed")

from bibwatch.errors import TrainingError
from bibwatch.train.scenes import split
from bibwatch.train.spotter.lessons import Line, lessons

CORNERS = ((10, 10), (50, 10), (50, 30), (10, 30))


def silent(done: int, of: int) -> None:
    """Nobody follows."""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (120, 90), (90, 140, 90)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("text", "score", "is_number"),
    [
        ("2419", 0.9, True),
        ("M90038", 0.9, True),
        ("56D", 0.9, True),
        ("2419", 0.5, False),
        ("MARATHON 2024", 0.9, False),
        ("CITY RUN", 0.9, False),
    ],
)
def test_a_line_is_a_number_if_it_is_sure_and_of_digits(text: str, score: float, is_number: bool) -> None:
    assert Line(text, score, CORNERS).is_number is is_number


def test_numbers_are_learned_and_all_else_is_neither_right_nor_wrong(photo: Path) -> None:
    told = {"lines": [["2419", 0.9, CORNERS], ["CITY RUN", 0.9, CORNERS]], "bibs": [[0, 0, 60, 40], [70, 0, 110, 40]]}
    [lesson] = lessons([photo], {"a.png": told}, silent)
    assert lesson.picture.shape == (90, 120, 3)
    assert [half.shape[:2] for half in lesson.halves] == [(45, 60), (22, 30)]
    assert lesson.numbers.tolist() == [[list(map(float, corner)) for corner in CORNERS]]
    assert len(lesson.unsure) == 2  # the other text, and the second bib, in which no number was read
    assert lesson.unsure[1].min(axis=0).tolist() == [70, 0]


def test_photos_and_lines_that_cannot_be_used_are_all_named(photo: Path) -> None:
    broken = photo.with_name("b.jpg")
    broken.write_bytes(b"no photo")
    missing = photo.with_name("c.jpg")
    lines = {"a.png": {"lines": [["2419", 0.9, "nowhere"]]}, "b.jpg": {"lines": []}, "c.jpg": {"lines": []}}
    with pytest.raises(TrainingError) as raised:
        lessons([photo, broken, missing, photo.with_name("d.jpg")], lines, silent)
    told = str(raised.value).splitlines()
    assert [line.split(": ")[0] for line in told] == [
        str(photo.with_name(name)) for name in ("a.png", "b.jpg", "c.jpg", "d.jpg")
    ]
    assert "no lines are told of it" in told[3]


@pytest.mark.parametrize(
    "corners", [CORNERS[:3], ((10, 10),) * 4, ((10, 10), (float("nan"), 10), (50, 30), (10, 30)), "2419"]
)
def test_corners_that_are_no_line_are_an_error(photo: Path, corners: object) -> None:
    with pytest.raises(TrainingError, match=r"a\.png: what is told of its lines cannot be used"):
        lessons([photo], {"a.png": {"lines": [["2419", 0.9, corners]]}}, silent)


def test_a_large_photo_is_kept_as_large_as_the_teacher_sees_it(tmp_path: Path) -> None:
    Image.new("RGB", (4096, 3000), (90, 140, 90)).save(tmp_path / "a.png")
    corners = [(400, 300), (800, 300), (800, 500), (400, 500)]
    [lesson] = lessons([tmp_path / "a.png"], {"a.png": {"lines": [["2419", 0.9, corners]]}}, silent)
    assert lesson.picture.shape == (1500, 2048, 3)
    assert lesson.numbers[0].tolist() == [[200, 150], [400, 150], [400, 250], [200, 250]]


def test_a_fifth_is_held_out_and_the_same_for_the_same_seed(photo: Path) -> None:
    photos = [photo.with_name(f"{number}.png") for number in range(10)]
    for one in photos:
        one.write_bytes(photo.read_bytes())
    of_all = lessons(photos, {one.name: {"lines": []} for one in photos}, silent)
    learned_from, held_out = split(of_all, seed=5)
    assert (len(learned_from), len(held_out)) == (8, 2)
    names = [[lesson.name for lesson in part] for part in split(of_all[::-1], seed=5)]
    assert names == [[lesson.name for lesson in part] for part in (learned_from, held_out)]
    assert np.isin(names[1], names[0]).sum() == 0
