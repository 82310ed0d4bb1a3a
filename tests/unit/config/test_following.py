from pathlib import Path

from bibwatch.config import SavedFile


def test_a_saved_file_is_noticed_once_and_only_when_it_came_to_rest(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    file = SavedFile(path)
    assert not file.was_saved(10.0)
    path.write_text("two, half")
    assert not file.was_saved(11.0)
    path.write_text("two, the whole of it")
    assert not file.was_saved(11.2)
    assert not file.was_saved(11.4)
    assert file.was_saved(11.6)
    assert not file.was_saved(12.0)


def test_an_editor_that_replaces_the_file_is_noticed_and_a_missing_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("one")
    file = SavedFile(path)
    path.unlink()
    assert not file.was_saved(10.0)
    assert not file.was_saved(11.0)
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").rename(path)
    assert not file.was_saved(12.0)
    assert file.was_saved(12.5)
