"""Images that were cut, flipped, forged and misnamed, through the reading child of the real service."""

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.track import SERVICE_MIB, Count, Track
from tests.support import draw_photo

CHILD_MIB = 1536  # a forged header may claim up to 200 megapixels, which take 600 MB


def mutated_images(folder: Path, rounds: int) -> Count:
    """Every one ends done or failed; no child is left hanging, and none takes more memory than a large photo does."""
    track, chance = Track(folder, "reader: {timeout_s: 20}\n"), random.Random(4)
    seeds = [_seed(folder, suffix, size) for suffix in ("jpg", "png") for size in ((96, 64), (320, 240))]
    track.start()
    track.until(track.children, "the service runs")
    assert track.process is not None
    pid, peak = track.process.pid, 0
    for number in range(rounds):
        suffix, data = chance.choice(seeds)
        name = suffix if chance.random() < 0.9 else chance.choice(("jpg", "jpeg", "png"))
        photo = track.incoming / f"{number:06}.{name}"
        photo.write_bytes(chance.choice(MUTATIONS)(data, chance))
        track.numbers[photo] = number
        if number % 100 == 0:
            peak = max([peak, *(_peak_mib(child) for child in track.children())])
            track.until(lambda: track.states().total() > len(track.numbers) - 1500, "it keeps up")
    while not track.all_ended():
        peak = max([peak, *(_peak_mib(child) for child in track.children())])
        assert track.process.poll() is None, track.log()[-3000:]
        time.sleep(0.2)
    states = track.states()
    track.notes.append(f"{states['done']} done, {states['failed']} failed; largest child {peak} MiB")
    track.notes.append(f"{track.status()['workers']['replaced']} children replaced, the service never")
    assert (track.process.pid, peak < CHILD_MIB) == (pid, True), track.notes
    assert track.status()["workers"]["replaced"] == 0, track.notes  # none crashed, hung or took too much
    assert track.rss_mib() < SERVICE_MIB, f"the service takes {track.rss_mib():.0f} MiB"
    return _count(track, rounds)


def _count(track: Track, rounds: int) -> Count:
    """What the stub reads in a mutated picture is anybody's guess, so only how the photos end counts."""
    track.until(lambda: not track.differences(), "photos, database and links agree")
    assert track.stop() == 0
    states = track.states()
    ended = states["done"] + states["failed"]
    lost = len(track.numbers) - ended
    failed = states["failed"]
    return Count(
        rounds=rounds,
        photos=len(track.numbers),
        failed=failed,
        bad=failed,
        lost=lost,
        wrong=None,
        doubled=None,
        in_hand=0,
        unexplained=0,
        harmed=0,  # nothing of somebody else lies there
        differences=[],
        notes=track.notes,
    )


def _seed(folder: Path, suffix: str, size: tuple[int, int]) -> tuple[str, bytes]:
    path = draw_photo(folder / "seeds" / f"{size[0]}.{suffix}", "2419", size=size)
    return suffix, path.read_bytes()


def _peak_mib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 32))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _forge(data: bytes, chance: random.Random) -> bytes:
    """Another width and height in the header, up to what is let through and beyond."""
    width, height = (chance.choice((0, 1, 7, 640, 4000, 14000, 30000, 65535)) for _ in range(2))
    changed = bytearray(data)
    if data.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", width, height)
    else:
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        changed[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(changed)


def _splice(data: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(data)), chance.randrange(1, 2000)
    return data[:at] + chance.randbytes(length) + data[at + chance.choice((0, length)) :]


def _noise(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.choice((0, 2, 20))] + chance.randbytes(chance.randrange(1, 5000))


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _flip, _forge, _splice, _noise)
