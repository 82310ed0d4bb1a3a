"""A race to do harm to, and the count afterwards: photos, links, readings, files of somebody else."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bibwatch.store.store import Store
from bibwatch.values import Correction
from tests.faults import engine
from tests.support import Race, memory_mib

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 900.0
SERVICE_MIB = 114  # 120 MB


@dataclass(slots=True)
class Count:
    """What a scenario found."""

    rounds: int
    photos: int
    failed: int
    bad: int  # photos that must fail
    lost: int  # neither done nor failed, or done without its link
    wrong: int | None  # links that lead to a photo of another number, or to none; None where nobody can tell
    doubled: int | None  # readings of a content beyond the first
    in_hand: int  # photos that were in hand when something was killed, each time
    unexplained: int  # readings beyond the first of photos that were not in hand so often
    harmed: int  # files of somebody else, changed or gone
    differences: list[str]  # what `bibwatch verify` says
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the guarantees held."""
        spoilt = self.lost or self.wrong or self.harmed or self.differences or self.unexplained
        return not spoilt and self.failed == self.bad


class Track(Race):
    """A race whose photos have numbers, read by the stub engine."""

    program = [sys.executable, "-m", "tests.faults.program"]
    laid: ClassVar[list["Track"]] = []

    def __init__(self, folder: Path, more: str = "", **environment: str) -> None:
        self.more = f"photos: {{settle_s: 0.3, rescan_s: 2}}\n{more}"
        self.numbers: dict[Path, int] = {}  # photo -> what tells its content from others'
        self.corrected: dict[Path, str] = {}  # photo -> a bib that a person added
        self.foreign: dict[Path, str] = {}  # file of somebody else -> its content's hash
        self.in_hand: Counter[int] = Counter()  # number -> times it was in hand when something was killed
        self.notes: list[str] = []
        self.noted = folder.with_name(f"{folder.name}.readings")
        self.database = folder / "bibwatch.db"
        self._environment = {engine.LOG: str(self.noted), "PYTHONPATH": str(ROOT)} | environment
        super().__init__(folder)
        Track.laid.append(self)

    @classmethod
    def clear(cls) -> None:
        """End what a scenario that failed has left running."""
        for track in cls.laid:
            if track.process is not None:
                track.kill()
        cls.laid.clear()

    def configure(self, targets: str, more: str = "") -> None:
        super().configure(targets, more or self.more)

    def start(self, *options: str) -> None:
        """`bibwatch run`, from its first breath: nothing is waited for."""
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "run", "-c", str(self.config), *options], stdout=log, stderr=log, env=self.environment()
            )

    def stop(self) -> int:
        self.until(self.children, "the service runs")  # before that a signal ends it as it ends any program
        return super().stop()

    def environment(self) -> dict[str, str]:
        return os.environ | self._environment

    def until(self, is_true: Callable[[], object], what: str) -> float:
        begun = time.monotonic()
        while not is_true():
            assert time.monotonic() - begun < PATIENCE_S, f"not within {PATIENCE_S:g} s: {what}\n{self.log()[-3000:]}"
            assert self.process is None or self.process.poll() is None, f"the service ended\n{self.log()[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def drop(self, numbers: Iterable[int], folder: str = ".") -> None:
        """Write photos, as fast as the disk takes them."""
        place = self.incoming / folder
        place.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            path = place / f"IMG_{number:06}.png"
            self.numbers[path] = number
            path.write_bytes(engine.picture(number))

    def delete(self, numbers: Iterable[int], folder: str) -> None:
        """Delete photos that are to be seen."""
        for number in numbers:
            path = self.incoming / folder / f"IMG_{number:06}.png"
            path.unlink()
            del self.numbers[path]

    def correct(self, photo: Path, bib: str) -> None:
        """A person adds a bib to a photo, while no service runs."""
        with closing(Store.open(self.database)) as store:
            content = store.readings.content_of(photo)
            assert content is not None
            assert store.corrections.add(content, [Correction("add", (bib,))], time.time())
        self.corrected[photo] = bib

    def put_foreign(self, path: Path, text: str) -> None:
        """A file of somebody else, which must outlive everything."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.foreign[path] = _hash(path)

    def children(self) -> list[int]:
        """The reading processes of the service."""
        assert self.process is not None
        try:
            pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        except OSError:
            return []

    def stand_still(self) -> None:
        """Halt the service for a moment before something of it is killed, and note which photos are in hand."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        pid = self.process.pid
        self.until(lambda: state_of(pid) == "T", "it stands still")
        with suppress(sqlite3.Error):  # it has only begun
            self.in_hand.update(self.numbers[photo] for photo in self._photos("reading"))

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill_children(self) -> None:
        for pid in self.children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def states(self) -> Counter[str]:
        """State -> photos, by a look of our own into the database."""
        try:
            with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
                return Counter(dict(database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()))
        except sqlite3.Error:
            return Counter()

    def all_ended(self) -> bool:
        states = self.states()
        return states["done"] + states["failed"] == len(self.numbers) == states.total()

    def rss_mib(self) -> float:
        """Resident memory of the service process."""
        assert self.process is not None
        return memory_mib(self.process.pid)

    def finish(self, rounds: int) -> Count:
        """Let the service come to the end of its work, stop it, and count."""
        if self.process is None:
            self.start()
        self.until(self.all_ended, "every photo has ended")
        self.until(lambda: not self.differences(), "photos, database and links agree")
        assert self.stop() == 0, self.log()[-3000:]
        failed, done = self._photos("failed"), self._photos("done")
        readings = (
            Counter(int(line) for line in self.noted.read_text().split()) if self.noted.exists() else Counter[int]()
        )
        return Count(
            rounds=rounds,
            photos=len(self.numbers),
            failed=len(failed),
            bad=sum(number >= engine.ABORTS for number in self.numbers.values()),
            lost=sum(not self._is_linked(path) for path in self.numbers if path in done)
            + len(self.numbers.keys() - failed - done),
            wrong=sum(not self._is_right(path) for path in self.entries()),
            doubled=readings.total() - len(readings),
            in_hand=self.in_hand.total(),
            unexplained=sum(max(0, times - 1 - self.in_hand[number]) for number, times in readings.items()),
            harmed=sum(not path.is_file() or _hash(path) != before for path, before in self.foreign.items()),
            differences=self.differences(),
            notes=self.notes,
        )

    def differences(self) -> list[str]:
        """What `bibwatch verify` says."""
        command = [*self.program, "verify", "-c", str(self.config)]
        found = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment())
        return [] if found.returncode == 0 else (found.stdout + found.stderr).splitlines()

    def entries(self) -> list[Path]:
        """Everything in the bib folders that is not somebody else's."""
        return [path for path in (self.bibs / entry for entry in self.links()) if path not in self.foreign]

    def _is_linked(self, photo: Path) -> bool:
        bibs = [self._bib_of(photo), *([self.corrected[photo]] if photo in self.corrected else [])]
        links = [self.bibs / bib / photo.name for bib in bibs]
        return all(link.is_symlink() and link.resolve() == photo for link in links)

    def _is_right(self, entry: Path) -> bool:
        photo = entry.resolve()
        return photo in self.numbers and entry.parent.name in (self._bib_of(photo), self.corrected.get(photo))

    def _bib_of(self, photo: Path) -> str:
        return engine.bib_of(self.numbers[photo], self._environment)

    def _photos(self, state: str) -> set[Path]:
        sql = "SELECT dir, name FROM photos JOIN jobs ON jobs.photo_id = photos.id WHERE state = ?"
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as database:
            return {Path(os.fsdecode(folder), os.fsdecode(name)) for folder, name in database.execute(sql, (state,))}


def state_of(pid: int) -> str | None:
    """The letter that the kernel gives a process's state, such as T where it is halted; None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
