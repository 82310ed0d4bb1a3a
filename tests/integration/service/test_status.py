"""What can be said of a service whose database is out of use."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.service import status
from bibwatch.service.status import STALE_S, gather
from bibwatch.store import damage
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "bibwatch.db"
    with closing(Store.open(path)) as store:
        store.pulse.beat({"degraded": []}, time.time() - 2 * STALE_S)
    return path


@pytest.mark.parametrize("runs", [False, True])
def test_a_damaged_database_is_a_reason_and_no_error(database: Path, runs: bool) -> None:
    with closing(sqlite3.connect(database)) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pulse'").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"x" * 4096)
    lock = ServiceLock(database)
    if runs:
        lock.take()
    found = gather(database)
    lock.release()
    assert found.state == ("degraded" if runs else "down")
    [reason] = found.degraded
    assert "bibwatch.db: the database cannot be used" in reason
    assert "run --rebuild" in reason


def test_why_a_service_cannot_say_how_it_is(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "LOCKED_S", 0.0)
    lock = ServiceLock(database)
    lock.take()
    [silent] = gather(database).degraded
    assert silent.startswith("the service has said nothing for ")
    assert silent.endswith(" s")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert gather(database).degraded[0].endswith(": another program holds its database locked")
    monkeypatch.setattr(status, "FULL", 2**62)
    assert gather(database).degraded[0].endswith(": its database's disk is full; make room")
    lock.release()
