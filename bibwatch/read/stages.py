"""Where a photo's time goes."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stages:
    """Seconds spent, by stage: read, decode, detect, crop, recognise, then store and link."""

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

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what was spent elsewhere."""
        for stage, spent in seconds.items():
            self._spent[stage] += spent

    @property
    def spent(self) -> dict[str, float]:
        """All that was spent since it was last taken."""
        return dict(self._spent)

    def take(self) -> dict[str, float]:
        """All that was spent since this was last asked."""
        taken, self._spent = dict(self._spent), defaultdict(float)
        return taken
