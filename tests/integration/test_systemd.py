import logging
import os
import socket
import sys
from pathlib import Path

import pytest

from bibwatch.systemd import log_handler, notify


def test_assignments_reach_the_service_manager_one_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1", "STATUS=reading a\nMAINPID=1 \udcff")
        assert manager.recv(1000) == b"READY=1\nSTATUS=reading a MAINPID=1 \\udcff"


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
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    assert isinstance(log_handler(), journal.JournalHandler)
