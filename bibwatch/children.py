"""What every process that the service starts does first."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)


def belong_to(parent: int, *, niceness: int = 0) -> None:
    """Leave the terminal's signals to the parent, and end with it even in the middle of something.

    The parent's thread that started this process must live as long as it shall. `niceness` is by how much others come
    first, as nice(2) has it.
    """
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    with suppress(OSError):  # where memory runs out, the kernel shall end this process, not the service
        Path("/proc/self/oom_score_adj").write_text("500")
    os.nice(niceness)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
