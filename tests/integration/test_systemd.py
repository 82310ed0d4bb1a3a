import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.log import fields
from bibwatch.systemd import Watchdog, log_handler, notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager, which never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield manager


def heard(manager: socket.socket) -> list[bytes]:
    """What came since the last call."""
    found = []
    while True:
        try:
            found.append(manager.recv(1000))
        except BlockingIOError:
            return found


def say_to_the_journal(monkeypatch: pytest.MonkeyPatch) -> logging.Handler:
    """The handler of a process whose standard error goes to the journal."""
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    return log_handler()


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return logging.getLogger("bibwatch.test").makeRecord(
        "bibwatch.test", level, "place.py", 7, message, args, None, extra=extra
    )


def test_assignments_reach_the_service_manager_one_a_line(manager: socket.socket) -> None:
    notify("READY=1", "STATUS=reading a\nMAINPID=1 \udcff")
    assert heard(manager) == [b"READY=1\nSTATUS=reading a MAINPID=1 \\udcff"]


def test_without_a_service_manager_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody-listens"))
    notify("READY=1")


def test_a_terminal_that_only_inherited_the_journals_name_gets_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    handler = log_handler()
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr


def test_the_journal_gets_the_log_where_it_is_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = pytest.importorskip("systemd.journal")
    assert isinstance(say_to_the_journal(monkeypatch), journal.JournalHandler)


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, ...]]:
    """The journal's entries, each as its fields, instead of a journal."""
    pytest.importorskip("systemd.journal")
    entries: list[tuple[bytes, ...]] = []
    monkeypatch.setattr("systemd.journal.sendv", lambda *fields: entries.append(fields))
    return entries


def test_an_entry_in_the_journal_has_its_photo_and_each_bib_as_a_field_of_its_own(
    entries: list[tuple[bytes, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Path(os.fsdecode(b"/race/bad\xff.jpg"))
    line = record("%s: read", "a.jpg", level=logging.WARNING, **fields(photo, ["2419", "0042"]))
    say_to_the_journal(monkeypatch).handle(line)
    [entry] = entries
    assert all(isinstance(field, bytes) for field in entry)
    assert entry.count(b"BIBWATCH_BIB=2419") == entry.count(b"BIBWATCH_BIB=0042") == 1
    for field in (b"MESSAGE=a.jpg: read", b"PRIORITY=4", b"SYSLOG_IDENTIFIER=bibwatch", b"LOGGER=bibwatch.test"):
        assert field in entry
    assert b"BIBWATCH_PHOTO=/race/bad\xff.jpg" in entry  # bytes that are no text pass as they are


def test_an_entry_without_bibs_has_no_empty_field_and_none_of_pythons_own(
    entries: list[tuple[bytes, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    say_to_the_journal(monkeypatch).handle(record("%s: gone", "a.jpg", **fields(Path("/race/a.jpg"))))
    [entry] = entries
    names = [field.partition(b"=")[0].decode() for field in entry]
    assert "BIBWATCH_BIB" not in names
    assert [name for name in names if name != name.upper()] == []  # journald refuses small letters
    assert {"MESSAGE", "BIBWATCH_PHOTO", "CODE_LINE"} <= set(names)


def test_a_message_with_half_a_character_reaches_the_journal(
    entries: list[tuple[bytes, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    say_to_the_journal(monkeypatch).handle(record("bad \udcff name"))
    [entry] = entries
    assert b"MESSAGE=bad \\udcff name" in entry


def test_without_systemd_python_each_line_begins_with_its_priority(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    handler = say_to_the_journal(monkeypatch)
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
    for level in levels:
        handler.handle(record("at %d\nand on", level, level=level))
    expected = [
        line for level, sign in zip(levels, "76432", strict=True) for line in (f"<{sign}>at {level}", f"<{sign}>and on")
    ]
    assert capsys.readouterr().err.splitlines() == expected


def test_the_watchdog_hears_at_half_its_interval(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    watchdog = Watchdog()
    for now, words in ((100.0, 1), (100.1, 0), (109.9, 0), (110.0, 1), (119.9, 0), (150.0, 1), (155.0, 0), (160.0, 1)):
        watchdog.alive(now)
        assert heard(manager) == [b"WATCHDOG=1"] * words, now


def test_a_watchdog_for_whichever_process_asks_hears_us(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    Watchdog().alive(0.0)
    assert heard(manager) == [b"WATCHDOG=1"]


@pytest.mark.parametrize(
    ("interval", "pid"), [(None, None), (None, "ours"), ("", "ours"), ("soon", "ours"), ("20000000", "1")]
)
def test_nothing_is_told_where_no_watchdog_waits_for_us(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, interval: str | None, pid: str | None
) -> None:
    given = {"WATCHDOG_USEC": interval, "WATCHDOG_PID": str(os.getpid()) if pid == "ours" else pid}
    for name, value in given.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    watchdog = Watchdog()
    for now in (0.0, 10.0, 1e6):
        watchdog.alive(now)
    assert heard(manager) == []
