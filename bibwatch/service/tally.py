"""What came of the photos' turns, for those who look at the service."""

from collections import deque
from dataclasses import dataclass, field

from bibwatch.read.stages import Stages

RATE_WINDOW_S = 60.0


@dataclass(slots=True)
class Tally:
    """What came of the turns since the start."""

    read: int = 0
    reused: int = 0
    failed: int = 0
    reading_s: float = 0.0  # spent by all children together
    stages: Stages = field(default_factory=Stages)  # theirs, and those of the service itself
    last_error: str | None = None
    recent: deque[float] = field(default_factory=deque)  # monotonic seconds of the turns that ended lately

    def rate(self, now: float) -> float:
        """Photos a second over the last minute."""
        while self.recent and now - self.recent[0] > RATE_WINDOW_S:
            self.recent.popleft()
        return len(self.recent) / RATE_WINDOW_S
