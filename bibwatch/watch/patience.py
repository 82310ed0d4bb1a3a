"""How long a thread has been waiting for its disk."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Patience:
    """Written by the thread that waits, read by others."""

    def __init__(self) -> None:
        self._since: float | None = None  # monotonic seconds

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, the disk is asked for something."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    @property
    def waited_s(self) -> float:
        """Seconds that the disk has been asked without an answer."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since
