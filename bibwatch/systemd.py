"""What systemd is told, and where the log goes; harmless where there is no systemd."""

import logging
import os
import socket
import sys


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
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(message.encode(errors="backslashreplace"), address)
        except OSError as error:
            logging.getLogger(__name__).warning("the service manager cannot be told: %s", error)


def _goes_to_journal() -> bool:
    """Whether standard error is the very stream to the journal that the variable names; terminals inherit it too."""
    status = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def log_handler() -> logging.Handler:
    """The journal where our output goes there and systemd-python is installed, else standard error."""
    if _goes_to_journal():
        try:
            from systemd.journal import JournalHandler  # optional
        except ImportError:
            pass
        else:
            return JournalHandler(SYSLOG_IDENTIFIER="bibwatch")  # type: ignore[no-any-return]
    return logging.StreamHandler(sys.stderr)
