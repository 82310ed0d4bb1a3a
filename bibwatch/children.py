"""The processes that the service starts: how they begin and end, and what each of them does first."""

import ctypes
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

Child = tuple[BaseProcess, Connection]  # and our end of the pipe to it

END_S = 1.0  # for a killed process to be gone
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


def start(live: Callable[..., None], *given: object, name: str) -> Child:
    """A process that calls `live` with its end of a pipe, what is given, and our process id.

    Raises:
        OSError: there is no room for another process.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=live, args=(theirs, *given, os.getpid()), name=name)
    process.start()
    theirs.close()
    return process, ours


def end(child: Child) -> None:
    """Kill it, whatever it is at, and let go of its pipe."""
    process, connection = child
    process.kill()
    process.join(END_S)
    connection.close()
