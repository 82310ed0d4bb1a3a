"""Which disk each folder was on: remembered and forgotten, folder by folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.store.store import Store

ODD = Path(os.fsdecode(b"/in/bad\xff\nname"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "bibwatch.db")
    yield store
    store.close()


def test_a_folders_disk_is_remembered_also_over_a_restart(store: Store, tmp_path: Path) -> None:
    store.folders.remember(Path("/in"), "/ disk1")
    store.folders.remember(ODD, "/ disk1")
    store.folders.remember(Path("/in"), "/in disk2")
    store.close()
    again = Store.open(tmp_path / "bibwatch.db")
    assert again.folders.all() == {Path("/in"): "/in disk2", ODD: "/ disk1"}
    again.close()


def test_a_folder_is_forgotten_with_all_below_it_and_nothing_else(store: Store) -> None:
    for folder in ("/in", "/in/card", "/in/card/DCIM", "/in/card2", "/in/card-2", "/in/car", "/out/card"):
        store.folders.remember(Path(folder), "/ disk1")
    store.folders.forget(Path("/in/card"))
    kept = {"/in", "/in/card2", "/in/card-2", "/in/car", "/out/card"}
    assert store.folders.all().keys() == {Path(folder) for folder in kept}
    store.folders.forget(Path("/"))
    assert store.folders.all() == {}
