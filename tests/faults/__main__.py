"""`make faults`: do harm to the real service, and count what it cost."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults import fuzz, ingest, storage
from tests.faults.storage import NotHere
from tests.faults.track import Count, Track

Scenario = Callable[[Path, int], Count]

# Scenario -> rounds in full, and in the bounded form that every change must pass.
SCENARIOS: dict[Scenario, tuple[int, int]] = {
    ingest.kill_9: (200, 30),
    ingest.burst: (40_000, 6_000),
    ingest.soak: (20_000, 4_000),
    ingest.bad_photos: (5, 2),
    ingest.config_edits: (100, 30),
    ingest.folders_deleted: (300, 100),
    ingest.in_the_way: (50, 20),
    ingest.clock_set: (200, 50),
    storage.folder_away: (9, 3),
    storage.card_away: (6, 2),
    storage.disk_full: (8, 4),
    storage.disk_read_only: (8, 4),
    storage.database_locked: (5, 1),
    storage.database_damaged: (6, 2),
    fuzz.mutated_images: (10_000, 2_000),
}


def main() -> None:
    names = {scenario.__name__: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--bounded", action="store_true", help="fewer rounds, for every change")
    parser.add_argument("scenario", nargs="*", help=f"only these; all: {', '.join(names)}")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenario if name not in names]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    print("scenario          rounds  photos failed  lost wrong      doubled harmed")
    held = True
    for scenario in [names[name] for name in arguments.scenario] or SCENARIOS:
        full, bounded = SCENARIOS[scenario]
        held = _run(scenario, bounded if arguments.bounded else full) and held
    sys.exit(0 if held else 1)


def _run(scenario: Scenario, rounds: int) -> bool:
    begun, name = time.monotonic(), scenario.__name__
    with tempfile.TemporaryDirectory(prefix="bibwatch-faults-", ignore_cleanup_errors=True) as folder:
        try:
            count = scenario(Path(folder) / "race", rounds)
        except NotHere as why:
            print(f"{name:<17} not run: {why}", flush=True)
            return os.environ.get("CI") != "true"
        except AssertionError as fault:
            print(f"{name:<17} DOES NOT HOLD: {fault}", flush=True)
            return False
        finally:
            Track.clear()
    wrong, doubled = ("-" if number is None else number for number in (count.wrong, count.doubled))
    print(
        f"{name:<17} {count.rounds:>6} {count.photos:>7} {count.failed:>6} {count.lost:>5} {wrong:>5} "
        f"{f'{doubled} (of {count.in_hand})':>12} {count.harmed:>6}  {time.monotonic() - begun:.0f} s"
    )
    if count.unexplained:
        print(f"    {count.unexplained} readings of photos that were not in hand at a kill")
    for line in (*count.notes, *(f"verify: {line}" for line in count.differences[:10])):
        print(f"    {line}")
    print("" if count.holds else f"    {name} DOES NOT HOLD", end="" if count.holds else "\n", flush=True)
    return count.holds


if __name__ == "__main__":
    main()
