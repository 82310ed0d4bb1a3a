from pathlib import Path

import pytest

from bibwatch.watch.names import PhotoNames, WatchedFolder

NAMES = PhotoNames(frozenset({".jpg", ".png"}), ("*_preview.*", "proofs"))


@pytest.mark.parametrize("name", ["a.jpg", "A.JPG", "b.PnG", "x.y.jpg", "new\nline.jpg", "\udcff.jpg"])
def test_photos_are_known_by_their_extension_in_any_case(name: str) -> None:
    assert NAMES.is_photo(name)


@pytest.mark.parametrize(
    "name", [".a.jpg", "._a.jpg", ".IMG.jpg.x7", "a.jpg.part", "a.jpg.filepart", "a.jpg.tmp", "a.jpg.crdownload", "jpg"]
)
def test_temporary_and_hidden_names_are_no_photos(name: str) -> None:
    assert not NAMES.is_photo(name)


def test_ignore_patterns_leave_files_and_folders_alone() -> None:
    assert not NAMES.is_photo("a_preview.jpg")
    assert not NAMES.is_watched("proofs")


@pytest.mark.parametrize("folder", ["@eaDir", "__MACOSX", ".Trashes", ".stversions"])
def test_folders_of_other_programs_are_not_looked_into(folder: str) -> None:
    assert not NAMES.is_watched(folder)


def test_a_folder_covers_its_photos_at_any_depth_only_where_recursive() -> None:
    deep = Path("/in/cam1/day2/a.jpg")
    assert WatchedFolder(Path("/in"), True, None).covers_photo(deep, NAMES)
    assert not WatchedFolder(Path("/in"), False, None).covers_photo(deep, NAMES)
    assert WatchedFolder(Path("/in"), False, None).covers_photo(Path("/in/a.jpg"), NAMES)
    assert not WatchedFolder(Path("/in"), True, None).covers_photo(Path("/in/@eaDir/a.jpg"), NAMES)
    assert not WatchedFolder(Path("/in"), True, None).covers_photo(Path("/other/a.jpg"), NAMES)
