"""The service's numbers for Prometheus, as a file that node_exporter's textfile collector picks up.

No bib and no path is ever in a label: there are too many of them, and they are nobody else's business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bibwatch.errors import BibwatchError
from bibwatch.files import whole_file

if TYPE_CHECKING:
    from prometheus_client.core import Metric

EVERY_S = 10.0


class MetricsFile:
    """Writes the file now and then; times are monotonic seconds."""

    def __init__(self) -> None:
        self.fault: str | None = None  # why the last one was not written
        self._written_at = float("-inf")

    def write(self, path: Path | None, health: Mapping[str, Any], counts: Mapping[str, int], now: float) -> None:
        """Write it, if the config asks for it and it is time."""
        if path is None:
            self.fault = None
            return
        if now - self._written_at < EVERY_S:
            return
        self._written_at = now
        try:
            with whole_file(path) as file:
                file.write(as_text(health, counts, time.time()))
            path.chmod(0o644)  # node_exporter is another user
        except (BibwatchError, OSError) as error:
            self.fault = str(error)
        else:
            self.fault = None


def as_text(health: Mapping[str, Any], counts: Mapping[str, int], beat_at: float) -> bytes:
    """The text exposition format; `beat_at` is seconds since the epoch."""
    from prometheus_client import CollectorRegistry, generate_latest  # 12 MB that only those pay who ask for it

    class Collector:
        def collect(self) -> Iterator[Metric]:
            return _metrics(health, counts, beat_at)

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def _metrics(health: Mapping[str, Any], counts: Mapping[str, int], beat_at: float) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    photos = GaugeMetricFamily("bibwatch_photos", "Photos known, by the state of their turn.", labels=["state"])
    for state, count in counts.items():
        photos.add_metric([state], count)
    yield photos
    workers, since_start = health["workers"], health["since_start"]
    gauges = {
        "bibwatch_degraded_reasons": ("Reasons why not all is well; 0 is well.", len(health["degraded"])),
        "bibwatch_heartbeat_timestamp_seconds": ("When the service last said how it is.", beat_at),
        "bibwatch_start_timestamp_seconds": ("When the service was started.", health["started_at"]),
        "bibwatch_oldest_waiting_seconds": ("How long the first in the queue has waited.", health["oldest_waiting_s"]),
        "bibwatch_settling_files": ("Files that may still be written.", health["settling"]),
        "bibwatch_watched_folders": ("Folders that send events, sub-folders included.", health["watches"]),
        "bibwatch_workers_wanted": ("Reading processes that the config asks for.", workers["wanted"]),
        "bibwatch_workers_ready": ("Reading processes with their engine loaded.", workers["ready"]),
        "bibwatch_workers_busy_photos": ("Photos in the hands of reading processes.", workers["busy"]),
    }
    for name, (help_text, value) in gauges.items():
        yield GaugeMetricFamily(name, help_text, value=value or 0)
    counters = {
        "bibwatch_photos_read": ("Photos read by the engine since the start.", since_start["read"]),
        "bibwatch_photos_reused": ("Photos of known content since the start.", since_start["reused"]),
        "bibwatch_photos_failed": ("Photos given up since the start.", since_start["failed"]),
        "bibwatch_reading_seconds": (
            "Time spent with photos from opening their files to their readings, all processes together.",
            since_start["reading_s"],
        ),
        "bibwatch_workers_replaced": ("Reading processes that died or were ended.", workers["replaced"]),
    }
    for name, (help_text, value) in counters.items():
        yield CounterMetricFamily(name, help_text, value=value)
    stages = CounterMetricFamily(
        "bibwatch_stage_seconds", "Time that photos spent in each stage, all processes together.", labels=["stage"]
    )
    for stage, seconds in since_start["stages"].items():
        stages.add_metric([stage], seconds)
    yield stages
