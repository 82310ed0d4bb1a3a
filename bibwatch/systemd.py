"""What systemd is told, and where the log goes; harmless where there is no systemd."""

import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}  # syslog's


def notify(*assignments: str) -> None:
    """Send assignments such as READY=1 to the service manager, if one started us and listens.

    A newline would begin a new assignment, and file names may hold one, so each assignment is cut to one line.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(" ".join(assignment.splitlines()) for assignment in assignments)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(errors="backslashreplace"), address)
    except OSError as error:
        logging.getLogger(__name__).warning("the service manager cannot be told: %s", error)


class Watchdog:
    """Tells the service manager, at half the interval it set, that all goes on; times are monotonic seconds."""

    def __init__(self) -> None:
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = os.environ.get("WATCHDOG_USEC", "") if for_us else ""
        self._every_s = int(interval) / 2e6 if interval.isdecimal() else None
        self._told_at = float("-inf")

    def alive(self, now: float) -> None:
        """Say so, if it is time."""
        if self._every_s is not None and now - self._told_at >= self._every_s:
            self._told_at = now
            notify("WATCHDOG=1")


def log_handler() -> logging.Handler:
    """The journal where our output goes there, with its fields if systemd-python is installed, else standard error."""
    if not _goes_to_journal():
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        return handler
    try:
        from systemd.journal import JournalHandler, sendv  # optional
    except ImportError:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_WithPriority())
        return handler
    return JournalHandler(sender_function=_sender(sendv), SYSLOG_IDENTIFIER="bibwatch")  # type: ignore[no-any-return]


class _WithPriority(logging.Formatter):
    """Lines as the journal reads them off a stream, the priority first. Source: sd-daemon(3)."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _sender(sendv: Callable[..., object]) -> Callable[..., object]:
    """What sends an entry, each value of a list as a field of its own; names in small letters are Python's."""

    def send(MESSAGE: str, **given: Any) -> object:  # noqa: N803  # the journal's own name
        entry = {"MESSAGE": MESSAGE} | {name: value for name, value in given.items() if name.isupper()}
        pairs = [(name, v) for name, value in entry.items() for v in (value if isinstance(value, list) else [value])]
        return sendv(*(name.encode() + b"=" + _raw(value) for name, value in pairs))

    return send


def _raw(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="backslashreplace")


def _goes_to_journal() -> bool:
    """Whether standard error is the very stream to the journal that the variable names; terminals inherit it too."""
    status = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
