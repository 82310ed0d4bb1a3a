from pathlib import Path

import pytest

from bibwatch.errors import BibwatchError
from bibwatch.labels import Label, distinct_names, labels_as_text, read_labels
from bibwatch.values import Box

HEADER = "image_name,bbox,bbox_score,ocr_text,ocr_score\n"
# As pandas writes the notebook's rows: a list, a float32, a text, a float.
ROW = 'IMG_1.JPG,"[12, 30, 80, 70]",0.99871945,0042,0.9134\n'
LABEL = Label("IMG_1.JPG", Box(12, 30, 80, 70), 0.99871945, "0042", 0.9134)


def read(tmp_path: Path, text: str | bytes) -> tuple[dict[int, Label], list[str]]:
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    file = read_labels(path, 1000)
    return file.labels, file.problems


def test_the_notebooks_rows_are_understood(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + ROW + ROW) == ({2: LABEL, 3: LABEL}, [])


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ROW,  # as Excel saves it
        (HEADER + ROW).replace("\n", "\r\n"),
        ",image_name,bbox,bbox_score,ocr_text,ocr_score\n0," + ROW,  # with pandas' index
        "ocr_text,image_name,ocr_score,bbox,bbox_score\n0042,IMG_1.JPG,0.9134,'x','y'\n".replace(
            "'x','y'", '"[12.7, 30, 80, 70]",0.99871945'
        ),
    ],
)
def test_the_form_of_the_file_may_vary(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ({2: LABEL}, [])


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (ROW.replace("IMG_1.JPG", " "), "names no image"),
        (ROW.replace("0042", "42.0"), "ocr_text '42.0' is not made of digits only"),
        (ROW.replace("0042", ""), "ocr_text '' is not made of digits only"),
        (ROW.replace("[12, 30, 80, 70]", "12 30 80 70"), "is no list of four numbers"),
        (ROW.replace("[12, 30, 80, 70]", "[12, 30, 80]"), "is no list of four numbers"),
        (ROW.replace("[12, 30, 80, 70]", "[" * 5000), "is no list of four numbers"),
        (ROW.replace("[12, 30, 80, 70]", "[Infinity, 30, 80, 70]"), "is no list of four numbers"),
        (ROW.replace('"[12, 30, 80, 70]"', '"""1234"""'), "is no list of four numbers"),
        (ROW.replace("IMG_1.JPG", "."), "names no image"),
        (ROW.replace("[12, 30, 80, 70]", "[12, 30, 80, 1001]"), "is no box inside a padded square of 1000 pixels"),
        (ROW.replace("[12, 30, 80, 70]", "[80, 30, 12, 70]"), "is no box inside"),
        (ROW.replace("0.9134", "nan"), "ocr_score 'nan' is no number from 0 to 1"),
        (ROW.replace("0.99871945", "99%"), "bbox_score '99%' is no number from 0 to 1"),
        ("IMG_1.JPG\n", "ocr_text '' is not made of digits only"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_costs_no_other(tmp_path: Path, row: str, part: str) -> None:
    labels, [problem] = read(tmp_path, HEADER + ROW + row + ROW)
    assert labels == {2: LABEL, 4: LABEL}
    assert f"{tmp_path / 'labels.csv'}, line 3: " in problem
    assert part in problem


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "line 1: has no column image_name"),
        ("image_name;bbox;bbox_score;ocr_text;ocr_score\n", "has no column"),
        ("image_name,bbox\n", "has no column bbox_score, ocr_text, ocr_score; the notebook's CSV begins with"),
    ],
)
def test_another_file_is_refused_as_a_whole(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(BibwatchError, match=part):
        read(tmp_path, text)
    with pytest.raises(BibwatchError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", 1000)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    odd = Label('new\nline, "quoted".jpg', Box(0, 0, 1000, 1000), 1.0, "7", 0.0)
    text = labels_as_text([LABEL, odd])
    assert text.startswith(HEADER + ROW)
    labels, problems = read(tmp_path, text)
    assert (list(labels.values()), problems) == ([LABEL, odd], [])


def test_names_hold_as_many_folders_as_tell_them_apart() -> None:
    names = distinct_names(map(Path, ["/in/a.jpg", "/in/cam1/b.jpg", "/in/cam2/b.jpg", "/in/b.jpg", "/x/cam2/b.jpg"]))
    assert names == {
        Path("/in/a.jpg"): "a.jpg",
        Path("/in/cam1/b.jpg"): "cam1/b.jpg",
        Path("/in/b.jpg"): "in/b.jpg",
        Path("/in/cam2/b.jpg"): "in/cam2/b.jpg",
        Path("/x/cam2/b.jpg"): "x/cam2/b.jpg",
    }
