"""What a person lets go of: photos that are not to be seen, and only those."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.config import Config, load_config
from bibwatch.errors import BibwatchError
from bibwatch.service.mend import forget
from bibwatch.store.store import Store
from bibwatch.values import Photo


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """A race with two photos in one folder, three below it, and nothing in sight of two of them."""
    path = tmp_path / "config.yaml"
    path.write_text("watch: [{path: incoming}]\ntargets: all\n")
    there, gone = ("a.jpg", "day1/b.jpg", "day2/c.jpg"), ("d.jpg", "day1/e.jpg")
    incoming = tmp_path / "incoming"
    for name in there:
        (incoming / name).parent.mkdir(parents=True, exist_ok=True)
        (incoming / name).touch()
    config = load_config(path)
    with closing(Store.open(config.database)) as store:
        store.queue.add([Photo(incoming / name, 1, 1) for name in (*there, *gone)], time.time())
    monkeypatch.chdir(tmp_path)
    yield config


def known(config: Config) -> set[str]:
    with closing(Store.open_read_only(config.database)) as store:
        return {str(path.relative_to(config.watch[0].path)) for path in store.queue.paths()}


def test_what_is_not_to_be_seen_is_forgotten_and_the_rest_is_not(config: Config) -> None:
    assert forget(config, config.watch[0].path / "day1") == 1
    assert known(config) == {"a.jpg", "day1/b.jpg", "day2/c.jpg", "d.jpg"}
    assert forget(config, config.watch[0].path) == 1
    assert forget(config, config.watch[0].path) == 0
    assert known(config) == {"a.jpg", "day1/b.jpg", "day2/c.jpg"}


@pytest.mark.parametrize("written", ["incoming/day1", "./incoming/../incoming/day1", "shortcut/day1"])
def test_a_folder_may_be_written_in_any_way(config: Config, written: str) -> None:
    Path("shortcut").symlink_to("incoming")
    assert forget(config, Path(written)) == 1


def test_the_folder_above_is_named_by_two_dots_too(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("incoming/day1")
    assert forget(config, Path("..")) == 2


def test_the_photos_of_a_folder_that_gave_way_to_a_link_are_forgotten_though_the_link_leads_to_them(
    config: Config,
) -> None:
    Path("incoming/day1").rename("archive")
    Path("incoming/day1").symlink_to(Path("archive").absolute())
    assert forget(config, Path("incoming/day1")) == 2
    assert known(config) == {"a.jpg", "day2/c.jpg", "d.jpg"}


def test_a_folder_that_is_none_of_ours_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    with pytest.raises(BibwatchError, match=r"else: nothing is watched there"):
        forget(config, tmp_path / "else")
