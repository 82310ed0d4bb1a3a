import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bibwatch.service.metrics import EVERY_S, MetricsFile, as_text

COUNTS = {"waiting": 3, "reading": 2, "done": 40, "failed": 1}
HEALTH: dict[str, Any] = {
    "pid": 4711,
    "engine": "ppocr:secret",
    "started_at": 1_700_000_000.5,
    "folders": [{"path": "/race/secret/incoming", "fault": "secret: no such folder"}],
    "watches": 7,
    "settling": 5,
    "oldest_waiting_s": 12.5,
    "workers": {"wanted": 4, "ready": 3, "busy": 2, "pids": [1, 2], "devices": ["cpu"], "replaced": 6},
    "photos_per_s": 1.5,
    "since_start": {
        "read": 30,
        "reused": 11,
        "failed": 9,
        "reading_s": 61.25,
        "stages": {"decode": 1.25, "detect": 60.0},
    },
    "last_error": "/race/secret/2419/a.jpg: cannot be read",
    "degraded": ["/race/secret/incoming: no such folder", "/race/secret/bibs/2419: no space left"],
}
GAUGES = {
    "bibwatch_degraded_reasons": 2.0,
    "bibwatch_heartbeat_timestamp_seconds": 1_700_000_100.25,
    "bibwatch_start_timestamp_seconds": 1_700_000_000.5,
    "bibwatch_oldest_waiting_seconds": 12.5,
    "bibwatch_settling_files": 5.0,
    "bibwatch_watched_folders": 7.0,
    "bibwatch_workers_wanted": 4.0,
    "bibwatch_workers_ready": 3.0,
    "bibwatch_workers_busy_photos": 2.0,
}
COUNTERS = {
    "bibwatch_photos_read": 30.0,
    "bibwatch_photos_reused": 11.0,
    "bibwatch_photos_failed": 9.0,
    "bibwatch_reading_seconds": 61.25,
    "bibwatch_workers_replaced": 6.0,
}


def families(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def test_every_number_is_there_under_its_name_kind_and_help() -> None:
    text = as_text(HEALTH, COUNTS, 1_700_000_100.25)
    assert text.endswith(b"\n")
    found = families(text)
    assert found.keys() == {"bibwatch_photos", "bibwatch_stage_seconds", *GAUGES, *COUNTERS}
    for name, value in GAUGES.items():
        assert (found[name].type, [tuple(s[:3]) for s in found[name].samples]) == ("gauge", [(name, {}, value)])
    for name, value in COUNTERS.items():
        [sample] = found[name].samples
        assert (found[name].type, sample.name, sample.value) == ("counter", f"{name}_total", value)
    assert {s.labels["state"]: s.value for s in found["bibwatch_photos"].samples} == COUNTS
    stages = {s.labels["stage"]: s.value for s in found["bibwatch_stage_seconds"].samples}
    assert stages == {"decode": 1.25, "detect": 60.0}
    for name, family in found.items():
        written = f"{name}_total" if family.type == "counter" else name
        assert f"# TYPE {written} {family.type}\n".encode() in text
        assert re.search(rf"(?m)^# HELP {written} \w.+\.$", text.decode())


def test_no_label_names_a_path_or_a_bib_and_nothing_else_does() -> None:
    text = as_text(HEALTH, COUNTS, 0.0)
    labels = {tuple(sample.labels) for family in families(text).values() for sample in family.samples}
    assert labels == {(), ("state",), ("stage",)}
    for word in (b"secret", b"2419", b"4711", b"/race"):
        assert word not in text


def test_an_empty_queue_has_waited_for_no_time() -> None:
    found = families(as_text(HEALTH | {"oldest_waiting_s": None, "degraded": []}, COUNTS, 0.0))
    assert found["bibwatch_oldest_waiting_seconds"].samples[0].value == 0
    assert found["bibwatch_degraded_reasons"].samples[0].value == 0


@pytest.fixture
def _shy() -> Iterator[None]:
    """What is made is for this user only, as many services have it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_shy")
def test_the_file_is_whole_alone_and_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.prom"
    metrics = MetricsFile()
    for now in (100.0, 200.0):
        metrics.write(path, HEALTH, COUNTS, now)
        assert metrics.fault is None
        assert [entry.name for entry in tmp_path.iterdir()] == ["bibwatch.prom"]
        assert path.stat().st_mode & 0o777 == 0o644
        assert len(families(path.read_bytes())) == 2 + len(GAUGES) + len(COUNTERS)


def test_who_reads_the_old_file_while_a_new_one_is_written_has_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.prom"
    metrics = MetricsFile()
    metrics.write(path, HEALTH, COUNTS, 100.0)
    with path.open("rb") as old:
        metrics.write(path, HEALTH | {"watches": 8}, COUNTS, 200.0)
        assert b"bibwatch_watched_folders 7.0\n" in old.read()
    assert b"bibwatch_watched_folders 8.0\n" in path.read_bytes()


def test_the_file_is_written_every_ten_seconds_only(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.prom"
    metrics = MetricsFile()
    written = []
    for tenths in range(1000, 1400, 5):
        metrics.write(path, HEALTH, COUNTS, tenths / 10)
        if path.exists():
            written.append(tenths / 10)
            path.unlink()
    assert written == [100.0, 110.0, 120.0, 130.0]
    assert EVERY_S == 10.0


def test_without_a_place_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = MetricsFile()
    metrics.write(None, HEALTH, COUNTS, 100.0)
    assert metrics.fault is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_away_is_a_fault_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "exporter" / "bibwatch.prom"
    metrics = MetricsFile()
    metrics.write(path, HEALTH, COUNTS, 100.0)
    assert metrics.fault == f"{path}: cannot be written: No such file or directory"
    path.parent.mkdir()
    metrics.write(path, HEALTH, COUNTS, 105.0)
    assert metrics.fault is not None  # it is not tried more often for that
    metrics.write(path, HEALTH, COUNTS, 110.0)
    assert metrics.fault is None
    assert path.is_file()


def test_a_folder_in_the_files_place_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.prom"
    path.mkdir()
    metrics = MetricsFile()
    metrics.write(path, HEALTH, COUNTS, 100.0)
    assert metrics.fault is not None
    assert str(path) in metrics.fault
    assert [entry.name for entry in tmp_path.iterdir()] == ["bibwatch.prom"]
