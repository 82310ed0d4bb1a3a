"""Real folders: what a walk lists, and that it lists large ones bit by bit."""

import os
from pathlib import Path

import pytest

from bibwatch.values import ALL_NAMES, NameRange
from bibwatch.watch import walk as module
from bibwatch.watch.changes import Listing
from bibwatch.watch.names import PhotoNames
from bibwatch.watch.walk import walk

NAMES = PhotoNames(frozenset({".jpg"}))
ODD = os.fsdecode(b"b\xff.jpg")  # its bytes come before those of the next one, its characters do not
FACE = "b\N{GRINNING FACE}.jpg"


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name[:1])
    return folder


def listings(root: Path) -> list[Listing]:
    return list(walk(root, NAMES, recursive=True))


def test_a_large_folder_is_listed_bit_by_bit_and_its_stretches_leave_no_name_out(tmp_path: Path) -> None:
    names = ["a.jpg", FACE, ODD, "c.jpg", "d.jpg"]
    bits = listings(write(tmp_path, *reversed(names), "notes.txt"))
    assert [list(bit.photos) for bit in bits] == [names[:2], names[2:4], names[4:]]
    face, c = os.fsencode(FACE), b"c.jpg"
    assert [bit.names for bit in bits] == [
        NameRange(upto=face),
        NameRange(face, c),
        NameRange(after=c),
    ]
    assert len({(bit.folder, bit.identity, bit.place) for bit in bits}) == 1


def test_an_empty_folder_is_listed_whole_and_once(tmp_path: Path) -> None:
    (tmp_path / "cam1").mkdir()
    assert [(bit.folder, bit.photos, bit.names) for bit in listings(tmp_path)] == [
        (tmp_path, {}, ALL_NAMES),
        (tmp_path / "cam1", {}, ALL_NAMES),
    ]


def test_where_a_photo_lies_cannot_be_told_once_its_folder_gave_way_to_another(tmp_path: Path) -> None:
    root = write(tmp_path / "incoming", "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg")
    bits = walk(root, NAMES, recursive=True)
    assert next(bits).place is not None
    root.rename(tmp_path / "away")
    write(root, "c.jpg")
    assert next(bits).place is None
    root.rename(tmp_path / "other")
    (tmp_path / "away").rename(root)
    last = next(bits)
    assert list(last.photos) == ["e.jpg", "f.jpg"]
    assert last.place is None
