"""Where a photo's time goes."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Seconds spent, by stage: read, decode, detect, crop, recognise."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Count what is done meanwhile."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._spent[stage] += time.perf_counter() - began

    def take(self) -> dict[str, float]:
        """All that was spent since this was last asked."""
        taken, self._spent = dict(self._spent), defaultdict(float)
        return taken
