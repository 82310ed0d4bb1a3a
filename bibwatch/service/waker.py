"""What ends the loop's wait: something to read, a call from another thread, or a signal."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType


class Waker:
    """A pipe that other threads and signals write to, so that the one thread that waits need not poll."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(self) -> None:
        """End the wait, from any thread."""
        with suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._in, b"\0")

    def wait(self, others: Sequence[Connection | int], timeout_s: float) -> None:
        """Wait until one of the others is ready, somebody wakes us, or the time is over."""
        wait([self._out, *others], timeout_s)
        with suppress(BlockingIOError):
            while os.read(self._out, 4096):
                pass

    def on_signals(self, act: Callable[[int], None]) -> None:
        """Call `act` with the number of a signal that asks the service to stop or to reload; it should set a flag."""

        def handle(signum: int, frame: FrameType | None) -> None:
            act(signum)

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, handle)
        signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)

    def close(self) -> None:
        """Let go of the pipe."""
        signal.set_wakeup_fd(-1)
        os.close(self._in)
        os.close(self._out)
