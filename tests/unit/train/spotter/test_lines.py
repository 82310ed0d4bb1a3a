import json
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="the extra train is not installed")

from bibwatch.errors import TrainingError
from bibwatch.train.spotter.lines import contents_of, keep_lines, lines_still_right, read_lines, refuse_labelled


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(b"a photo")
    return tmp_path / "a.png"


def test_lines_that_are_no_lines_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text("[")
    with pytest.raises(TrainingError, match="cannot be read as JSON"):
        read_lines(tmp_path / "lines.json")
    (tmp_path / "lines.json").write_text(json.dumps([]))
    with pytest.raises(TrainingError, match="must hold an object"):
        read_lines(tmp_path / "lines.json")


def test_a_photo_that_stands_among_labelled_ones_is_refused_by_its_content(photo: Path) -> None:
    same, other = photo.with_name("under another name.jpg"), photo.with_name("other.png")
    same.write_bytes(photo.read_bytes())
    other.write_bytes(b"another photo")
    refuse_labelled(contents_of([other]), [photo])
    with pytest.raises(TrainingError, match=r"under another name\.jpg.*a\.png"):
        refuse_labelled(contents_of([other, same]), [photo])


def test_labelled_photos_that_are_not_there_are_named(photo: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.jpg: cannot be read: No such file"):
        refuse_labelled(contents_of([photo]), [photo.with_name("gone.jpg")])


def test_lines_are_kept_for_photos_that_stay_the_same(photo: Path) -> None:
    other, file = photo.with_name("b.png"), photo.with_name("spotter.lines.json")
    other.write_bytes(b"another photo")
    assert lines_still_right(file, contents_of([photo])) == {}
    lines = {"a.png": {"lines": [["2419", 0.9, []]]}, "b.png": {"lines": []}}
    keep_lines(lines, contents_of([photo, other]), file)
    other.write_bytes(b"a third photo")
    [(name, told)] = lines_still_right(file, contents_of([photo, other])).items()
    assert (name, told["lines"]) == ("a.png", lines["a.png"]["lines"])
