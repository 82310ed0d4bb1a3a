"""What `make bench` prints: the cost of a photo around the engine, and the time from drop to link."""

import json
import random
import shutil
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from bibwatch.config import load_config
from bibwatch.match.decide import Rules, wanted_bibs
from bibwatch.match.event import Event
from bibwatch.mounts import place_of
from bibwatch.read.ppocr.models import fingerprint
from bibwatch.running import running_service, wait_until
from bibwatch.service.learning import learned
from bibwatch.service.linking import Linking
from bibwatch.service.setup import rules
from bibwatch.service.status import gather
from bibwatch.store.readings import Seen
from bibwatch.store.schema import open_database, writing
from bibwatch.store.store import Store
from bibwatch.values import Box, Photo, Reading, Spelling
from tests.support import SHARED, Race, draw_photo, memory_mib, photos_of

ENGINE = fingerprint("balanced")  # the config's own
PHOTOS = 5000
STORED = 100_000
DROPS = 7
ROUNDS, PHOTOS_IN, STREAMS, REQUESTS = 3, 60, 50, 200  # of the page, with people who look at it
T = TypeVar("T")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
        around_the_engine(Path(folder))
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
        deciding_anew(Path(folder))
    print("as photos grow:")
    for photos in (STORED // 100, STORED // 10, STORED):
        as_photos_grow(photos)
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
        race = Race(Path(folder) / "race")
        try:
            drop_to_link(race)
        finally:
            if race.process is not None:
                race.kill()
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
        with_an_audience(Path(folder))
    if SHARED.is_dir():
        print(f"\n{SHARED / 'photos'}:")
        with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as folder:
            whole_set(Path(folder))


def around_the_engine(folder: Path) -> None:
    store = Store.open(folder / "bibwatch.db")
    photos = [Photo(folder / "incoming" / f"{number}.jpg", 1, 1) for number in range(PHOTOS)]
    reading = Reading("2419", 0.9, Box(0, 0, 1, 1), 0.9, ENGINE)

    def queue_all() -> None:
        for photo in photos:
            store.queue.add([photo], time.time())

    def claim_and_finish(photos: int, claimed: int, finished: int) -> None:
        for _ in range(0, photos, finished):
            jobs = [job for _ in range(0, finished, claimed) for job in store.queue.claim(time.time(), claimed)]
            seen = [(job, Seen(job.photo_id.to_bytes(4, "big"), ENGINE, (reading,), 1, 1, 0.1)) for job in jobs]
            store.readings.finish(seen, time.time())

    (folder / "incoming").mkdir()
    (folder / "config.yaml").write_text("watch: [{path: incoming}]\ntargets: all\n")
    config = load_config(folder / "config.yaml")
    linking = Linking(store, ENGINE, config, rules(config, Event()))
    print(f"{PHOTOS} photos around the engine:")
    timed("queue", queue_all)
    timed("claim and finish", partial(claim_and_finish, PHOTOS // 2, 1, 1), PHOTOS // 2)
    timed("claim two, finish eight at once", partial(claim_and_finish, PHOTOS // 2, 2, 8), PHOTOS // 2)
    timed("link all, at once", lambda: list(linking.sweep()))
    timed("compare all links with the disk", lambda: list(linking.sweep()))
    store.close()


def filled(folder: Path, photos: int) -> tuple[Store, list[str]]:
    """A database of so many photos that were read, with their files, three readings each, one of them doubtful; and
    the bibs of their race."""
    connection = open_database(folder / "bibwatch.db")
    store, chance, now = Store(connection), random.Random(1), time.time()
    bibs = [str(chance.randrange(1, 12_000)) for _ in range(5000)]
    (folder / "incoming").mkdir()
    place = place_of(folder / "incoming")
    with writing(connection):
        for number in range(photos):
            sure, doubtful, p = chance.choice(bibs), chance.choice(bibs), chance.uniform(0.3, 0.95)
            at = chance.randrange(len(doubtful))
            others = [(doubtful[:at] + other + doubtful[at + 1 :], (1 - p) / 12) for other in "1234?lA"]
            banner = "MARATHON 2024"
            at = chance.randrange(len(banner))
            misread = banner[:at] + chance.choice(string.ascii_letters) + banner[at + 1 :]
            told = ([(sure, 0.99)], [(doubtful, p), *others], [(banner, 0.9), (misread, 0.05)])
            readings = tuple(
                Reading(one[0][0], one[0][1], Box(0, 0, 9, 9), 0.8, ENGINE, spellings=tuple(map(Spelling._make, one)))
                for one in told
            )
            content_id = store.readings.insert(Seen(number.to_bytes(4), ENGINE, readings, 9, 9, 0.1), now)
            path = folder / "incoming" / f"{number}.jpg"
            path.write_bytes(b"x")
            store.queue.add_done(Photo(path, 1, path.stat().st_mtime_ns), content_id, now)
    store.queue.seen_at({folder / "incoming" / f"{number}.jpg": place for number in range(photos)})
    return store, bibs


def as_photos_grow(photos: int) -> None:
    """What questions, a change of targets and a start cost with so many photos in the database."""
    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as temporary:
        folder = Path(temporary)
        store, bibs = filled(folder, photos)
        (folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\ntargets: {json.dumps(bibs[:20])}\n")
        config = load_config(folder / "config.yaml")
        linking = Linking(store, ENGINE, config, rules(config, Event()))
        linked = seconds_of(lambda: list(linking.sweep()))
        found = median(seconds_of(partial(photos_of, config, bib)) for bib in bibs[:7])
        told = median(seconds_of(partial(gather, folder / "bibwatch.db")) for _ in range(3))
        (folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\ntargets: {json.dumps(bibs[20:40])}\n")
        config = load_config(folder / "config.yaml")
        other = Linking(store, ENGINE, config, rules(config, Event()))
        changed = seconds_of(lambda: other.apply(other.names_about(bibs[:40]) or set()))
        store.close()
        started = float(json.loads(run_scan(folder / "config.yaml"))["seconds"])
        with (folder / "config.yaml").open("a") as file:
            file.write("web: {listen: '127.0.0.1:0'}\n")
        page = the_page(folder, bibs)
    print(
        f"  {photos:7,} photos: find {found * 1000:6.1f} ms, status {told * 1000:6.1f} ms, twenty targets exchanged "
        f"{changed:5.2f} s, all links compared {linked:5.2f} s, a scan of known files {started:5.1f} s\n"
        f"  {'':7}         {page}"
    )


def the_page(folder: Path, bibs: Sequence[str]) -> str:
    """How soon the page knows all photos, and how long and large its views are when they are asked for first."""
    with running_service(folder, folder / "config.yaml") as process:
        wait_until(lambda: gather(folder / "bibwatch.db").health.get("page") is not None, process)
        address = gather(folder / "bibwatch.db").health["page"]
        begun = time.monotonic()
        wait_until(lambda: b"Still looking" not in asked(f"{address}/bibs"), process)
        known_s = time.monotonic() - begun
        queries = [f"/find?q={bib}" for bib in bibs[:20]]
        views = [
            "/",
            "/find",
            "/find?q=1",
            "/review",
            "/bibs",
            "/bibs?q=2",
            "/photo/1",
            f"/photo/{len(bibs)}",
            *queries,
        ]
        took, sizes = zip(*(timed_answer(f"{address}{view}") for view in views), strict=True)
    slow_s, slowest = max(zip(took, views, strict=True))
    return (
        f"page: all known after {known_s:.1f} s, views {median(took) * 1000:.0f} ms, "
        f"the slowest {slow_s * 1000:.0f} ms ({slowest}), the largest {max(sizes) // 1000} kB"
    )


def timed_answer(url: str) -> tuple[float, int]:
    begun = time.perf_counter()
    size = len(asked(url))
    return time.perf_counter() - begun, size


def asked(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def deciding_anew(folder: Path) -> None:
    """What a change of rules costs: every stored photo is decided anew."""
    store, bibs = filled(folder, STORED)
    (folder / "list.csv").write_text("\n".join(["bib", *bibs]))
    print(f"{STORED} photos of {3 * STORED} readings decided anew:")
    event = timed("learn what bibs look like", lambda: learned(store, ENGINE), STORED)
    for name, text in (
        ("targets, twenty", f"targets: {json.dumps(bibs[:20])}"),
        ("bibs", "targets: all\nbibs: {min_digits: 3}"),
        ("match", "targets: all\nmatch: {accept: 0.9}"),
        ("start list", "targets: all\nstart_list: list.csv"),
    ):
        (folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\n{text}\n")
        wanted = rules(load_config(folder / "config.yaml"), event)
        timed(name, partial(decide_all, store, wanted), STORED)
    store.close()


def decide_all(store: Store, wanted: Rules) -> int:
    return sum(len(wanted_bibs(photo, wanted)) for photo in store.readings.read_photos(ENGINE))


def timed(name: str, act: Callable[[], T], photos: int = PHOTOS) -> T:
    begun = time.perf_counter()
    outcome = act()
    seconds = time.perf_counter() - begun
    print(f"  {name:32} {seconds:6.2f} s  {seconds / photos * 1000:6.2f} ms a photo")
    return outcome


def seconds_of(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def drop_to_link(race: Race) -> None:
    begun = time.monotonic()
    race.start()
    print(f"service ready to read after {time.monotonic() - begun:.1f} s")
    photo = draw_photo(race.folder / "drawn.jpg", "2419", "3071", size=(2048, 1365))
    seconds = []
    for number in range(DROPS):
        link = race.bibs / "2419" / f"{number}.jpg"
        with (race.incoming / f"{number}.jpg").open("wb") as file:
            shutil.copyfileobj(photo.open("rb"), file)
            file.write(number.to_bytes(1, "big"))  # another content, behind the picture's end
        seconds.append(race.until(link.is_symlink, "the photo is linked"))
        reading_s = float(race.log().rsplit(" s)", 1)[0].rsplit("(", 1)[1])
        print(f"  drop to link {seconds[-1]:5.2f} s, of which reading {reading_s:.1f} s and settling 1 s")
    race.configure("[]")
    gone_s = race.until(lambda: not race.links(), "the links are gone")
    race.configure("[2419]")
    back_s = race.until(lambda: len(race.links()) == DROPS, "the links are back")
    print(f"config saved to links gone {gone_s:.2f} s, back {back_s:.2f} s")
    assert race.process is not None
    children = race.status()["workers"]["pids"]
    print(f"drop to link, 2048 pixels, settle time 1 s included: median {median(seconds):.2f} s")
    print(f"memory: service {memory_mib(race.process.pid):.0f} MiB, ", end="")
    print("children " + ", ".join(f"{memory_mib(pid):.0f} MiB" for pid in children))
    race.stop()


def with_an_audience(folder: Path) -> None:
    """How fast photos are read while nobody looks at the page, and while many do; by turns, on the same cores."""
    drawn = [
        draw_photo(
            folder / f"drawn{number}.jpg", str(2419 + number), str(3071 + number), size=(1600, 1067), seed=number
        )
        for number in range(12)
    ]
    rates: dict[bool, list[float]] = {False: [], True: []}
    for round_ in range(2 * ROUNDS):
        looked_at = bool(round_ % 2)
        race = Race(folder / f"race{round_}")
        race.configure("all", "web: {listen: '127.0.0.1:0'}\n")
        race.start()
        try:
            rates[looked_at].append(ingest_rate(race, drawn, looked_at=looked_at))
        finally:
            race.stop()
    alone, audience = (median(rates[looked_at]) for looked_at in (False, True))
    print(
        f"{PHOTOS_IN} photos arrive: {alone:.2f} photos/s, and {audience:.2f} with {STREAMS} pages open and {REQUESTS} "
        f"requests a second: {(1 - audience / alone) * 100:.1f} % fewer"
    )


def ingest_rate(race: Race, drawn: Sequence[Path], *, looked_at: bool) -> float:
    """Photos a second, from when the first have been read until nearly all have."""
    race.until(lambda: race.status()["page"], "the page is there")
    command = [sys.executable, "-m", "tests.audience", race.status()["page"], str(STREAMS), str(REQUESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) if looked_at else nullcontext() as audience:
        try:
            for number in range(PHOTOS_IN):
                content = drawn[number % len(drawn)].read_bytes() + number.to_bytes(2, "big")
                (race.folder / "arriving.jpg").write_bytes(content)
                (race.folder / "arriving.jpg").rename(race.incoming / f"{number}.jpg")
            marks = []
            for done in (6, PHOTOS_IN - 4):
                race.until(partial(has_done, race, done), f"{done} photos are done")
                marks.append((race.status()["queue"]["done"], time.monotonic()))
        finally:
            if audience is not None:
                audience.terminate()
        if audience is not None and audience.stdout is not None:
            print(f"  they met {audience.stdout.read().strip()}")
    (first, begun), (last, ended) = marks
    return float((last - first) / (ended - begun))


def has_done(race: Race, photos: int) -> bool:
    return bool(race.status()["queue"]["done"] >= photos)


def whole_set(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text(f"watch: [{{path: {SHARED / 'photos'}}}]\ntargets: all\n")
    found = json.loads(run_scan(config))
    print(found)
    print(f"{found['photos'] / found['seconds']:.2f} photos/s, {found['seconds'] / found['photos']:.2f} s a photo")


def run_scan(config: Path) -> bytes:
    command = [str(Path(sys.executable).with_name("bibwatch")), "scan", "--json", "-c", str(config)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


if __name__ == "__main__":
    main()
