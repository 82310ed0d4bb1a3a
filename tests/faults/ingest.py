"""Faults while photos arrive: kills, bursts, bad photos, configs edited, folders deleted, files in the way, clocks."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults import engine
from tests.faults.program import MEMORY
from tests.faults.track import SERVICE_MIB, Count, Track, state_of

CARD = 2000  # photos that come at once
WARM = 10_000  # photos before a soak counts: until then buffers grow to their size
GROWTH_MIB = 3.0  # what a heap may wobble; a leak of 160 bytes a photo would be more over 20,000


def kill_9(folder: Path, rounds: int) -> Count:
    """kill -9 of the service, of its children, or of both, at random moments of an ingest."""
    track, chance = Track(folder), random.Random(1)
    with _arriving(track, rounds * 40):
        for _ in range(rounds):
            if track.process is None:
                track.start()
            time.sleep(chance.uniform(0.3, 1.5))
            victim = chance.choice(("service", "child", "both"))
            children = track.children()
            track.stand_still()
            if victim in ("child", "both"):
                track.kill_children()
            if victim == "child":
                track.go_on()
            else:
                track.kill()
                track.until(
                    lambda pids=children: all(state_of(pid) in (None, "Z") for pid in pids), "the children end too"
                )
    if track.process is None:
        track.start()
    track.until(track.all_ended, "every photo has ended")
    failed = track.states()["failed"]  # in the hands of three children that we killed
    if failed:
        track.notes.append(f"{failed} failed after three kills each, and were brought back by `bibwatch retry`")
        track.command("retry")
    return track.finish(rounds)


def burst(folder: Path, photos: int) -> Count:
    """Thousands of files in one burst: more than the kernel's queue of events holds."""
    track = Track(folder)
    track.start()
    track.until(track.children, "the service runs")
    begun = time.monotonic()
    track.drop(range(photos))
    written_s = time.monotonic() - begun
    track.until(lambda: track.states().total() == photos, "all are queued")
    queued_s, mib = time.monotonic() - begun, track.rss_mib()
    track.until(track.all_ended, "every photo has ended")
    track.notes.append(
        f"written in {written_s:.0f} s, queued after {queued_s:.0f} s, done after {time.monotonic() - begun:.0f} s; "
        f"service {mib:.0f} MiB when all were queued, {track.rss_mib():.0f} MiB when all were done"
    )
    assert max(mib, track.rss_mib()) < SERVICE_MIB, track.notes
    return track.finish(1)


def soak(folder: Path, photos: int) -> Count:
    """A long run: the service's memory at its start and at its end."""
    track, mib = Track(folder, **{engine.RUNNERS: "5000"}), []
    track.start()
    for first in range(0, photos + WARM, CARD):
        track.drop(range(first, first + CARD), f"card{first // CARD}")
        track.until(track.all_ended, "the next card is done")
        mib.append(track.rss_mib())
    track.notes.append(f"service after each {CARD} photos: {', '.join(f'{one:.1f}' for one in mib)} MiB")
    assert mib[-1] < mib[WARM // CARD - 1] + GROWTH_MIB, track.notes
    return track.finish(1)


def bad_photos(folder: Path, rounds: int) -> Count:
    """Photos that abort their child, sleep in it or eat its memory; and children stopped by a signal."""
    track = Track(folder, "reader: {timeout_s: 3}\n", **{MEMORY: str(400 * 2**20), engine.READING_S: "0.1"})
    track.start()
    for turn in range(rounds):
        track.drop(range(turn * 50, turn * 50 + 50))
        if turn == 0:
            track.drop((engine.ABORTS, engine.SLEEPS, engine.EATS))
        track.until(lambda: track.states()["reading"] > 2, "both children have photos in hand, and more wait")
        track.stand_still()
        hung = track.children()[0]
        os.kill(hung, signal.SIGSTOP)
        track.go_on()
        wanted = turn * 50 + 50
        track.until(lambda wanted=wanted: track.states()["done"] == wanted, "the good photos are done")
        track.until(lambda hung=hung: hung not in track.children(), "the child that stands still is replaced")
    track.until(track.all_ended, "every photo has ended")
    reasons = {name: reason for name, reason in _failures(track).items()}
    track.notes += [f"{name}: {reason}" for name, reason in reasons.items()]
    assert len(reasons) == 3, reasons
    track.in_hand.update(2 * [engine.ABORTS, engine.SLEEPS, engine.EATS])  # each is tried twice more
    track.notes.append(f"{track.status()['workers']['replaced']} children were replaced")
    return track.finish(rounds)


def config_edits(folder: Path, rounds: int) -> Count:
    """The config saved again and again during an ingest, every second time broken; links follow the good ones only."""
    track, chance = Track(folder), random.Random(2)
    track.start()
    track.until(track.children, "the service runs")
    broken = (
        "targets: [\n",
        "watch: []\ntargets: all\n",
        "colour: blue\n",
        "\0",
        "watch: [{path: gone}]\ntargets: 7\n",
    )
    with _arriving(track, rounds * 10):
        for turn in range(rounds):
            if turn % 2:
                track.config.write_text(chance.choice(broken))
            else:
                targets = chance.choice(("all", f"{list(range(turn * 5))}"))
                track.configure(targets, track.more.replace("0.3", chance.choice(("0.2", "0.3", "0.4"))))
            time.sleep(chance.uniform(0.05, 0.9))
    followed = track.log().count("the config is followed")
    assert followed > rounds / 10, f"{followed} configs followed"  # many are broken again within a moment
    track.notes.append(f"{followed} configs were followed")
    few = {f"{number}/IMG_{number:06}.png" for number in (3, 5, 7)}
    track.configure("[3, 5, 7]")
    track.until(lambda: track.all_ended() and track.links() == few, "the links are those of three targets")
    for text in broken:
        told = track.log().count("degraded: the config is refused")
        track.config.write_text(text)
        track.until(lambda told=told: track.log().count("degraded: the config is refused") > told, "it is refused")
        assert track.links() == few, "links followed a config that was refused"
        track.configure("[3, 5, 7]")
        track.until(lambda: track.status().get("state") == "ok", "it is well again")
    track.configure("all")
    return track.finish(rounds)


def folders_deleted(folder: Path, rounds: int) -> Count:
    """Somebody deletes links and bib folders while links are made; a file of theirs in some is never touched."""
    track, chance = Track(folder), random.Random(3)
    for number in range(0, rounds * 10, 7):
        track.put_foreign(track.bibs / str(number) / "notes.txt", "mine")
    track.start()
    deleted = 0
    with _arriving(track, rounds * 10):
        for _ in range(rounds):
            made = track.entries()
            for link in chance.sample(made, min(20, len(made))):
                with suppress(OSError):
                    link.unlink()
                    deleted += 1
                    link.parent.rmdir()
            time.sleep(0.02)
    track.notes.append(f"{deleted} links deleted")
    return track.finish(rounds)


def in_the_way(folder: Path, rounds: int) -> Count:
    """Files, folders and links of somebody else stand where links are wanted, before and while they are made."""
    track = Track(folder)
    for number in range(0, rounds * 10, 10):
        name = f"IMG_{number:06}.png"
        track.put_foreign(track.bibs / str(number) / name, "mine")
        track.put_foreign(track.bibs / str(number + 1) / name.replace("0.png", "1.png") / "inside.txt", "mine")
        track.put_foreign(track.bibs / str(number + 2) / "notes.txt", "mine")
    track.start()
    track.drop(range(rounds * 10))
    track.until(track.all_ended, "every photo has ended")
    told = [line for line in track.differences() if "not what bibwatch made" in line]
    assert len(told) == 2 * rounds, told
    harmed = sum(not path.is_file() or path.read_text() != "mine" for path in track.foreign)
    for path in [path for path in track.foreign if path.name != "notes.txt"]:
        shutil.rmtree(path.parent) if path.name == "inside.txt" else path.unlink()
        del track.foreign[path]
    count = track.finish(rounds)
    count.harmed += harmed
    return count


def clock_set(folder: Path, rounds: int) -> Count:
    """The clock is set an hour back, on, and back again while photos wait for their turn."""
    track = Track(folder, **{engine.READING_S: "0.05"})
    track.start()
    track.until(track.children, "the service runs")
    for turn in range(3):
        track.drop(range(turn * rounds, turn * rounds + rounds // 2))
        track.until(lambda: track.states()["waiting"] > 2, "photos wait")
        assert track.process is not None
        track.process.send_signal(signal.SIGUSR2)
        track.drop(range(turn * rounds + rounds // 2, (turn + 1) * rounds))
        took = track.until(track.all_ended, "the clock costs no time")
        assert took < 60, f"{took:.0f} s"
    return track.finish(3)


@contextmanager
def _arriving(track: Track, photos: int) -> Iterator[None]:
    """Photos arrive in small groups until the scenario is through its rounds, and all the rest then."""
    over = threading.Event()

    def drop() -> None:
        for first in range(0, photos, 5):
            track.drop(range(first, min(first + 5, photos)), f"cam{first % 3}")
            over.wait(0 if over.is_set() else 0.15)

    thread = threading.Thread(target=drop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _failures(track: Track) -> dict[str, str]:
    return {Path(failure["photo"]).name: failure["reason"] for failure in track.status()["failed"]}
