import os
from pathlib import Path

import pytest

from bibwatch.errors import BibwatchError
from bibwatch.files import must_be_new, whole_file


def write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    write(path, "whole")
    assert path.read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_written_over_keeps_its_place_and_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "a.csv", tmp_path / "a.csv"
    real.touch(mode=0o600)
    link.symlink_to(real)
    write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_over_unasked_and_only_files_ever(tmp_path: Path) -> None:
    there = tmp_path / "a.csv"
    must_be_new(there, force=False)
    there.touch()
    with pytest.raises(BibwatchError, match="exists already"):
        must_be_new(there, force=False)
    must_be_new(there, force=True)
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(BibwatchError, match="is no regular file"):
            must_be_new(path, force=True)
    with pytest.raises(BibwatchError, match="no such folder"):
        must_be_new(tmp_path / "none" / "a.csv", force=True)
    with pytest.raises(BibwatchError, match="File name too long"):
        must_be_new(tmp_path / ("a" * 300), force=False)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(BibwatchError, match="circle: cannot be written"):
        write(tmp_path / "circle", "new")
    with pytest.raises(BibwatchError, match="cannot be written"):
        write(tmp_path / "none" / "a.csv", "new")


def test_a_link_to_nowhere_is_something(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(BibwatchError, match="exists already"):
        must_be_new(tmp_path / "a.csv", force=False)
