"""What a running service tells systemd, on the very socket that systemd would listen at."""

import itertools
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bibwatch.service.life import REFUSED_S
from bibwatch.store import schema
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from tests import hanging
from tests.support import HANG_S, Race, draw_photo

ROOT = Path(__file__).resolve().parents[2]
INTERVAL_S = 2.0  # of the watchdog
ENOUGH = b"the socket is full"


class Manager(Race):
    """A race whose service is started as systemd would, and what that service has told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.database = folder / "bibwatch.db"
        self.told: list[dict[str, str]] = []  # one for each datagram, oldest first
        self.senders: set[int] = set()  # process ids
        self._address = str(folder / "n")  # a short one: the kernel takes 107 bytes
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(self._address)
        self._listener = threading.Thread(target=self._listen)

    def start(self) -> None:
        """`bibwatch run`, from its first breath: nothing is waited for."""
        own = {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": f"{INTERVAL_S * 1e6:.0f}"}
        own |= {"PYTHONPATH": str(ROOT), hanging.PLACE: str(self.folder)}
        environment = {name: value for name, value in os.environ.items() if name != "WATCHDOG_PID"} | own
        command = [*self.program, "run", "-c", str(self.config)]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def fill_socket(self) -> None:
        """From now on the service waits with its first word until somebody listens."""
        with suppress(BlockingIOError):
            while True:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                    sender.sendto(ENOUGH, self._address)

    def listen(self) -> None:
        """Take in what the service tells, from now on."""
        self._listener.start()

    def start_and_be_ready(self) -> None:
        self.listen()
        self.start()
        self.until_told("READY")

    def until_told(self, name: str, since: int = 0) -> int:
        """Wait for an assignment to this name; returns the place of its datagram in what was told."""
        self.until(lambda: self.places_of(name, since), f"{name} is told; heard was {self.told[since:]}")
        return self.places_of(name, since)[0]

    def status_line(self) -> str:
        """The last one told."""
        return next((datagram["STATUS"] for datagram in reversed(self.told) if "STATUS" in datagram), "")

    def places_of(self, name: str, since: int = 0) -> list[int]:
        """The places of the datagrams that assign to this name."""
        return [place for place, datagram in enumerate(self.told) if place >= since and name in datagram]

    def close(self) -> None:
        if self._listener.ident is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"", self._address)
            self._listener.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            datagram, credentials, *_ = self._socket.recvmsg(10_000, socket.CMSG_SPACE(struct.calcsize("3i")))
            if not datagram:
                return
            if datagram == ENOUGH:
                continue
            [(_, _, sender)] = credentials
            self.senders.add(struct.unpack("3i", sender)[0])
            self.told.append(dict(line.split("=", 1) for line in datagram.decode().split("\n")))


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "race")
    yield manager
    if manager.process is not None:
        manager.kill()
    manager.close()


def has_watches(pid: int) -> bool:
    """Whether a process watches a folder."""
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if "inotify wd:" in info.read_text():
                return True
    return False


def form_of(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_ready_is_told_once_the_lock_is_held_and_the_folders_are_watched(manager: Manager) -> None:
    Store.open(manager.database).close()  # so that nothing is told before
    manager.fill_socket()
    manager.start()
    assert manager.process is not None
    pid = manager.process.pid
    manager.until(lambda: has_watches(pid), "the folders are watched before anything is told")
    assert ServiceLock(manager.database).held_elsewhere()
    manager.listen()
    manager.until(lambda: manager.told, "something is told")
    assert manager.told[0] == {"READY": "1", "STATUS": "watching"}


def test_a_service_that_does_not_start_is_never_ready(manager: Manager) -> None:
    manager.database.write_bytes(b"this is no database" * 1000)
    manager.listen()
    manager.start()
    assert manager.process is not None
    assert manager.process.wait(60) == 3
    manager.process = None
    assert manager.places_of("READY") == []


def test_the_watchdog_hears_about_every_half_of_its_interval_from_the_service_itself(manager: Manager) -> None:
    manager.start_and_be_ready()
    first = manager.until_told("WATCHDOG")
    time.sleep(5 * INTERVAL_S / 2)
    assert 3 <= len(manager.places_of("WATCHDOG", first + 1)) <= 6
    assert manager.process is not None
    assert manager.senders == {manager.process.pid}  # NotifyAccess=main hears no other process


def test_the_status_counts_the_photos(manager: Manager) -> None:
    manager.configure("all", "reader: {attempts: 1}\n")
    manager.start_and_be_ready()
    draw_photo(manager.incoming / "a.jpg", "2419")
    (manager.incoming / "b.jpg").write_text("no picture")
    counts = "1 photos done, 1 failed, 0 waiting"
    manager.until(lambda: manager.status_line().startswith(counts), "both photos are counted")


def test_sighup_is_answered_with_reloading_at_its_time_and_then_ready(manager: Manager) -> None:
    manager.start_and_be_ready()
    told, before_us = len(manager.told), time.monotonic_ns() // 1000
    assert manager.process is not None
    manager.process.send_signal(signal.SIGHUP)
    reloading = manager.until_told("RELOADING", told)
    ready = manager.until_told("READY", told)
    after_us = time.monotonic_ns() // 1000
    assert reloading < ready
    assert before_us <= int(manager.told[reloading]["MONOTONIC_USEC"]) <= after_us  # of one datagram with RELOADING
    assert "the config is followed" in manager.log()


@pytest.mark.long
def test_a_config_that_is_refused_does_not_leave_the_service_reloading(manager: Manager) -> None:
    manager.start_and_be_ready()
    told = len(manager.told)
    manager.configure("all", "colour: blue\n")
    reloading = manager.until_told("RELOADING", told)
    assert manager.until_told("READY", told) > reloading
    manager.until(lambda: "degraded: " in manager.status_line(), "the status shows the refusal")
    assert "colour: no such key" in manager.status_line()
    time.sleep(REFUSED_S + 1)
    assert manager.places_of("RELOADING") == [reloading]  # another look at it is no reload that anybody asked for


def test_sigterm_is_answered_with_stopping(manager: Manager) -> None:
    manager.start_and_be_ready()
    told = len(manager.told)
    assert manager.stop() == 0
    stopping = manager.until_told("STOPPING", told)
    assert manager.told[stopping:] == [{"STOPPING": "1"}]


def test_the_watchdog_hears_nothing_while_the_loop_hangs_and_again_once_it_goes_on(manager: Manager) -> None:
    manager.program = [sys.executable, "-m", "tests.hanging"]
    manager.start_and_be_ready()
    manager.until_told("WATCHDOG")
    assert manager.process is not None
    manager.process.send_signal(signal.SIGUSR1)
    manager.until((manager.folder / hanging.HANGS).exists, "the loop hangs")
    time.sleep(INTERVAL_S / 10)  # what was sent before it hung is heard by now
    told = len(manager.told)
    time.sleep(3 * INTERVAL_S)
    assert manager.told[told:] == []
    (manager.folder / hanging.GO_ON).touch()
    manager.until_told("WATCHDOG", told)


def test_the_watchdog_hears_nothing_once_no_photo_would_be_found_any_more(manager: Manager) -> None:
    manager.program = [sys.executable, "-m", "tests.hanging"]
    manager.start_and_be_ready()
    manager.until_told("WATCHDOG")
    assert manager.process is not None
    manager.process.send_signal(signal.SIGUSR2)
    folders = (manager.incoming / f"cam{number}" for number in itertools.count())

    def scans_have_ended() -> bool:
        next(folders).mkdir()  # which is scanned; the signal may come a moment later
        return "a fault that nobody thought of" in manager.log()

    manager.until(scans_have_ended, "the scans have ended")
    told = manager.until_told("STATUS", len(manager.told) + 1)  # the loop itself goes on
    time.sleep(2 * INTERVAL_S)
    assert manager.places_of("WATCHDOG", told) == []
    assert manager.places_of("STATUS", told + 1)


@pytest.mark.long
def test_a_locked_database_is_told_everywhere_and_is_no_silence(manager: Manager) -> None:
    metrics = manager.folder / "bibwatch.prom"
    manager.configure("all", f"metrics: {metrics}\n")
    manager.start_and_be_ready()
    well = "bibwatch_degraded_reasons 0.0\n"
    manager.until(lambda: metrics.exists() and well in metrics.read_text(), "the metrics say that all is well")
    with closing(sqlite3.connect(manager.database, timeout=HANG_S, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        since = len(manager.told)
        manager.until(lambda: "database is locked" in manager.status_line(), "systemd hears of it")
        manager.until(lambda: len(manager.places_of("WATCHDOG", since)) > 2, "the watchdog goes on hearing")
        manager.until(lambda: well not in metrics.read_text(), "the metrics tell")
        lock = "another program holds its database locked"
        manager.until(lambda: lock in manager.command("status").stdout, "status says why")
        other.execute("ROLLBACK")
    manager.until(lambda: manager.status_line().startswith("0 photos done"), "it is well again")
    manager.until(lambda: well in metrics.read_text(), "the metrics say so too")


def test_an_old_database_is_given_time_to_be_brought_up_to_date_before_ready(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", dict(list(schema.MIGRATIONS.items())[:2]))
        Store.open(manager.database).close()
    assert form_of(manager.database) == 2
    manager.start_and_be_ready()
    asked = manager.places_of("EXTEND_TIMEOUT_USEC")
    assert len(asked) == len(schema.MIGRATIONS) - 2
    assert asked[-1] < manager.places_of("READY")[0]
    assert int(manager.told[asked[0]]["EXTEND_TIMEOUT_USEC"]) >= 60e6
    assert form_of(manager.database) == len(schema.MIGRATIONS)
