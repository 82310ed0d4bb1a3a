"""What `check` finds on real disks; its engine is left out, since loading it takes seconds."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.service import check
from bibwatch.service.check import Check, checks
from bibwatch.store.store import Store


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def no_engine(config: object) -> Iterator[Check]:
        yield from ()

    monkeypatch.setattr(check, "_engine_checks", no_engine)
    monkeypatch.setattr(check, "ROOM", 0)
    (tmp_path / "incoming").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("watch: [{path: incoming}]\ntargets: all\n")
    return config


def faults(config: Path) -> dict[str, str]:
    """What was looked at, by its first word, and what is wrong with it."""
    return {name.split()[0]: fault for name, fault in checks(config) if fault}


def test_where_all_is_well_there_is_nothing_to_mend(config: Path) -> None:
    assert faults(config) == {}
    Store.open(config.with_name("bibwatch.db")).close()
    assert faults(config) == {}


def test_each_thing_to_mend_is_named(config: Path) -> None:
    config.with_name("file").touch()
    config.write_text("watch: [{path: incoming}]\ntargets: all\ndatabase: file/x.db\nlinks: {root: file/bibs}\n")
    found = faults(config)
    assert found.keys() == {"database", "link"}
    assert all("is not a folder" in fault for fault in found.values())
    config.write_text("watch: [{path: gone}]\ntargets: all\n")
    assert "no such folder" in faults(config)["config"]


def test_a_damaged_database_is_named_with_the_way_out(config: Path) -> None:
    config.with_name("bibwatch.db").write_bytes(b"my notes on the race\n" * 1000)
    assert "run --rebuild" in faults(config)["database"]


def test_disks_with_little_room_are_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOM", 2**62)
    assert faults(config).keys() == {"database"}
    config.write_text("watch: [{path: incoming}]\ntargets: all\nlinks: {mode: copy}\n")
    found = faults(config)
    assert found.keys() == {"database", "link"}
    assert all("MB are free" in fault for fault in found.values())


def test_a_link_root_whose_disk_is_not_there_is_named(config: Path) -> None:
    with closing(Store.open(config.with_name("bibwatch.db"))) as store:
        store.roots.remember(config.with_name("bibs"), b"another disk /", config.parent)
    assert "is not there, so links are neither made nor removed" in faults(config)["link"]
