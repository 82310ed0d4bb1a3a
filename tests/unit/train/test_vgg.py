import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bibwatch.errors import BibwatchError, TrainingError
from bibwatch.train.boxes import read_boxes
from bibwatch.train.convert import Converted, convert_vgg
from bibwatch.values import Box

HEADER = [
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
]
RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}


def convert(folder: Path, *rows: tuple[str, Any], header: list[str] = HEADER, encoding: str = "utf-8") -> Converted:
    path = folder / "via.csv"
    with path.open("w", newline="", encoding=encoding) as file:
        lines = csv.writer(file, quoting=csv.QUOTE_ALL)
        lines.writerow(header)
        for name, shape in rows:
            text = shape if isinstance(shape, str) else json.dumps(shape)
            lines.writerow([name, 1234, "{}", 0 if text == "{}" else 1, 0, text])
    return convert_vgg(path, folder / "boxes", force=False)


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "boxes").iterdir()}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("header", [HEADER, ["#filename", *HEADER[1:]]])
def test_rectangles_become_a_line_each_in_a_file_a_photo(tmp_path: Path, header: list[str], encoding: str) -> None:
    rows = [("a.JPG", RECT), ("b.png", RECT | {"x": 0.4, "width": 9.7}), ("a.JPG", RECT | {"y": 0})]
    converted = convert(tmp_path, *rows, header=header, encoding=encoding)
    assert written(tmp_path) == {"a.txt": "10,20,40,60\n10,0,40,40\n", "b.txt": "0,20,10,60\n"}
    assert converted == Converted(2, 3, [])
    assert read_boxes(tmp_path / "boxes" / "a.txt") == (Box(10, 20, 40, 60), Box(10, 0, 40, 40))


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2, 3]}, "is a polygon, not a rect"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": 5}, "is a circle, not a rect"),
        ({"x": 1}, "is a shape without a name, not a rect"),
        ('{"name": "rect", ', "is broken JSON"),
        ("[]", "is empty"),
        ({"name": "rect", "x": 1, "y": 1, "width": 5}, "needs the numbers x, y, width and height"),
        ({"name": "rect", "x": "one", "y": 1, "width": 5, "height": 5}, "needs the numbers"),
        (RECT | {"width": 0}, "is empty"),
        (RECT | {"x": -50}, "is empty"),
    ],
)
def test_what_is_no_rectangle_is_reported_with_its_line(tmp_path: Path, shape: Any, part: str) -> None:
    converted = convert(tmp_path, ("a.jpg", RECT), ("a.jpg", shape), ("b.jpg", shape))
    first, second, third = converted.problems
    assert first.startswith(f"{tmp_path / 'via.csv'}, line 3: a.jpg: its re")
    assert part in first
    assert "line 4: b.jpg" in second
    assert "b.jpg: gets no box file" in third
    assert written(tmp_path) == {"a.txt": "10,20,40,60\n"}


def test_a_photo_without_regions_is_reported_and_gets_an_empty_file(tmp_path: Path) -> None:
    converted = convert(tmp_path, ("a.jpg", "{}"))
    assert written(tmp_path) == {"a.txt": ""}
    assert read_boxes(tmp_path / "boxes" / "a.txt") == ()
    [problem] = converted.problems
    assert "line 2: a.jpg: has no region" in problem


def test_a_rectangle_over_the_edge_is_cut_at_it(tmp_path: Path) -> None:
    convert(tmp_path, ("a.jpg", RECT | {"x": -5}))
    assert written(tmp_path) == {"a.txt": "0,20,25,60\n"}


def test_no_file_is_written_outside_or_twice(tmp_path: Path) -> None:
    converted = convert(tmp_path, ("../x/a.jpg", RECT), ("a.png", RECT))
    assert written(tmp_path) == {"a.txt": "10,20,40,60\n"}
    assert "a.png: gets no box file, since a.jpg has a.txt" in converted.problems[0]
    with pytest.raises(BibwatchError, match="exists already"):
        convert(tmp_path, ("a.jpg", RECT | {"x": 0}))
    assert written(tmp_path) == {"a.txt": "10,20,40,60\n"}
    assert convert_vgg(tmp_path / "via.csv", tmp_path / "boxes", force=True).boxes == 1
    assert written(tmp_path) == {"a.txt": "0,20,30,60\n"}


def test_another_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="line 1: has no column filename, region_shape_attributes"):
        convert(tmp_path, header=["image_name"])
    with pytest.raises(TrainingError, match="cannot be read"):
        convert_vgg(tmp_path / "none.csv", tmp_path, force=False)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1,2,3\n", "line 1: '1,2,3' is no box"),
        ("1,2,3,4\n\n1,2,x,4\n", "line 3"),
        ("5,2,3,4\n", "is an empty box"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_box_file_with_something_else_is_an_error(tmp_path: Path, text: str | bytes, part: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TrainingError, match=part):
        read_boxes(path)
    with pytest.raises(TrainingError, match="no such box file"):
        read_boxes(tmp_path / "none.txt")
