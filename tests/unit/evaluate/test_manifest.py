from pathlib import Path

import pytest

from bibwatch.errors import BibwatchError
from bibwatch.evaluate.manifest import LabelledPhoto, read_manifest


def test_a_manifest_tells_the_bibs_of_each_photo(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("file,bibs,ambiguous,source,note\na.jpg,2419 56d,17 2419,lisbon,x\nsub/b.jpg,,,porto,\n")
    assert read_manifest(path) == [
        LabelledPhoto("a.jpg", frozenset({"2419", "56D"}), frozenset({"17"}), "lisbon"),
        LabelledPhoto("sub/b.jpg", frozenset(), frozenset(), "porto"),
    ]


def test_files_and_bibs_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("file,bibs\na.jpg,7\n")
    assert read_manifest(path) == [LabelledPhoto("a.jpg", frozenset({"7"}), frozenset(), "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("", "no column file and no column bibs"),
        ("file,numbers\na.jpg,7\n", "no column bibs"),
        ("file,bibs\n", "no photo in it"),
        ("file,bibs\na.jpg\n", "line 2: a row needs a file and its bibs"),
        ("file,bibs\na.jpg,7\nb.jpg,\na.jpg,8\n", "line 4: a.jpg is in line 2 already"),
        ("file,bibs\na.jpg,7;8\n", "line 2: '7;8': bibs are parted by blanks, not by ';'"),
        (b"file,bibs\n\xff,7\n", "cannot be read"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    path = tmp_path / "manifest.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BibwatchError, match=message):
        read_manifest(path)


def test_the_shared_manifest_holds_258_photos_and_525_bibs(shared: Path) -> None:
    photos = read_manifest(shared / "photos" / "manifest.csv")
    assert (len(photos), sum(len(photo.bibs) for photo in photos)) == (258, 525)
