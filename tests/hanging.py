"""The installed program, whose main loop hangs at SIGUSR1 and whose scans break at SIGUSR2."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bibwatch.cli import main
from bibwatch.watch import scanner

PLACE = "BIBWATCH_HANGS"  # the environment's name of the folder for the two files
HANGS, GO_ON = "hangs", "go-on"  # what tells of it, and what ends it


def _hang(signum: int, frame: FrameType | None) -> None:
    """Hold the main thread, wherever it is, until the file is there."""
    place = Path(os.environ[PLACE])
    (place / HANGS).touch()
    while not (place / GO_ON).exists():
        time.sleep(0.05)


def _break_scans(signum: int, frame: FrameType | None) -> None:
    scanner.walk = _broken  # type: ignore[assignment]


def _broken(*arguments: object, **options: object) -> NoReturn:
    raise RuntimeError("a fault that nobody thought of")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _hang)
    signal.signal(signal.SIGUSR2, _break_scans)
    main()
