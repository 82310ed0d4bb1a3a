"""Where each link root was: remembered and forgotten."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.store.store import Store

ODD = Path(os.fsdecode(b"/bibs/bad\xff\nname"))
PLACE = b"1A2B-3C4D /bad\xff\nname"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "bibwatch.db")
    yield store
    store.close()


def test_a_link_roots_place_is_remembered_also_over_a_restart(store: Store, tmp_path: Path) -> None:
    assert store.roots.get(ODD) is None
    store.roots.remember(ODD, b"elsewhere", Path("/"))
    store.roots.remember(ODD, PLACE, ODD)
    store.close()
    again = Store.open(tmp_path / "bibwatch.db")
    assert again.roots.get(ODD) == (PLACE, ODD)
    again.close()


def test_link_roots_are_forgotten_with_the_folder_around_them_and_no_others(store: Store) -> None:
    roots = [Path(root) for root in ("/out", "/out/card", "/out/card/bibs", "/out/card2", "/out/card-2", "/in/card")]
    for root in roots:
        store.roots.remember(root, PLACE, Path("/"))
    store.roots.forget(Path("/out/card"))
    assert [str(root) for root in roots if store.roots.get(root)] == ["/out", "/out/card2", "/out/card-2", "/in/card"]
    store.roots.forget(Path("/"))
    assert not any(map(store.roots.get, roots))
