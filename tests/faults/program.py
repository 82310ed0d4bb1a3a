"""The installed program with the stub engine in its place, a clock that can be set, and a loop that can be hung."""

import os
import signal
import time
from types import FrameType

from bibwatch.cli import main
from bibwatch.read import engine
from bibwatch.service import setup
from tests.faults import engine as stub

MEMORY = "BIBWATCH_FAULTS_MEMORY"  # bytes that a child may take
SET_BACK_S = 3600.0

_real_time = time.time
_offsets = iter((-SET_BACK_S, SET_BACK_S, -SET_BACK_S))
_offset_s = 0.0


def _set_clock(signum: int, frame: FrameType | None) -> None:
    """An hour back, then an hour on, then back again; a test must not set the machine's own clock."""
    global _offset_s  # noqa: PLW0603  # as the clock is
    _offset_s = next(_offsets)


if __name__ == "__main__":
    engine.build = stub.build  # type: ignore[assignment]
    engine.fingerprint = lambda setup: stub.NAME
    time.time = lambda: _real_time() + _offset_s
    signal.signal(signal.SIGUSR2, _set_clock)
    if MEMORY in os.environ:
        setup.MEMORY_SHARE, setup.LEAST_MEMORY = 0.0, int(os.environ[MEMORY])
    main()
