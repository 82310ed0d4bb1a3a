"""Faults of disks and folders: away, exchanged, full, locked, damaged."""

import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path

from tests.faults import engine
from tests.faults.track import Count, Track

SALVAGE_LOSS = 60  # links of one page of the database, which nobody can tell any more
PAGE = 4096  # bytes


class NotHere(Exception):
    """What a scenario needs cannot be had on this machine."""


def folder_away(folder: Path, rounds: int) -> Count:
    """The watched folder is renamed, deleted, replaced by an empty one, and put back."""
    track = Track(folder)
    away = track.folder / "away"
    track.start()
    for turn in range(rounds):
        track.drop(range(turn * 50, turn * 50 + 50), f"cam{turn % 2}")
        before = _all_links(track)
        match turn % 3:
            case 0:
                track.incoming.rename(away)
            case 1:
                shutil.copytree(track.incoming, away)
                shutil.rmtree(track.incoming)
            case 2:
                track.incoming.rename(away)
                track.incoming.mkdir()
        track.until(lambda: track.status()["state"] == "degraded", "it shows")
        time.sleep(3)  # more than a scan and a comparison with the disk
        assert track.links() == before, "links were lost while the folder was away"
        with suppress(FileNotFoundError):
            track.incoming.rmdir()
        away.rename(track.incoming)
        track.until(lambda: track.status()["state"] == "ok", "it is well again")
    return track.finish(rounds)


def card_away(folder: Path, rounds: int) -> Count:
    """Two cards take turns at one path, each with photos of its own; also over a restart.

    The second one is a disk, or a folder bound from elsewhere on the disk that the path lies on.
    """
    track = Track(folder)
    first, disk, bound = track.folder / "first", track.folder / "disk", track.folder / "bound"
    bound.mkdir()
    mount = track.incoming / "card"
    mount.mkdir()
    with _disk(first, "8m"), _disk(disk, "8m"), ExitStack() as ends:
        ends.callback(subprocess.run, ["umount", "-l", mount], check=False)
        subprocess.run(["mount", "--bind", first, mount], check=True)
        track.start()
        track.drop(range(40), "card/DCIM")
        for turn in range(rounds):
            second = (disk, bound)[turn % 2]
            track.drop((1000 + turn,))
            _swap_cards(track, mount, second, restart=turn % 4 >= 2)
            others = range(2000 + turn * 10, 2005 + turn * 10)
            track.drop(others, "card/DCIM")
            before = _all_links(track)
            _swap_cards(track, mount, first, restart=turn % 3 == 2)
            time.sleep(3)
            assert track.links() == before, "links were lost while the second card was away"
            _swap_cards(track, mount, second, restart=False)
            track.delete(others, "card/DCIM")
            before = _all_links(track)
            subprocess.run(["umount", "-l", mount], check=True)
            subprocess.run(["mount", "--bind", first, mount], check=True)
            track.until(lambda: track.status()["state"] == "ok", "it is well again")
            assert track.links() == before, "links were lost while the first card was away"
        return track.finish(rounds)


def _swap_cards(track: Track, mount: Path, card: Path, *, restart: bool) -> None:
    """Put another card in; what the one before held is out of sight, and keeps its links."""
    before = _all_links(track)
    if restart:
        assert track.stop() == 0
    subprocess.run(["umount", "-l", mount], check=True)
    subprocess.run(["mount", "--bind", card, mount], check=True)
    if restart:
        track.start()
    track.until(lambda: track.status().get("state") == "degraded", "it shows")
    time.sleep(3)  # more than a scan and a comparison with the disk
    assert track.links() == before, "links were lost while the card was away"


def _all_links(track: Track) -> set[str]:
    track.until(lambda: len(track.links()) == len(track.numbers), "every photo is linked")
    return track.links()


def disk_full(folder: Path, rounds: int) -> Count:
    """The database's disk fills while photos are queued and read, the link root's while links are made."""
    folder.mkdir(parents=True)
    state, bibs = folder / "state", folder / "bibs"
    with _disk(state, "24m,nr_inodes=4096"), _disk(bibs, "4m,nr_inodes=4096"):
        track = Track(folder, "database: state/race.db\nlinks: {root: bibs}\n", **{engine.READING_S: "0.02"})
        track.database = state / "race.db"
        track.start()
        track.until(track.children, "the service runs")
        _through_outages(track, rounds, lambda turn: _filled((state, bibs)[turn % 2]))
        log = track.log()
        track.notes.append(
            f"{log.count('disk is full')} lines told of a full disk, {log.count('No space left')} of links"
        )
        count = track.finish(rounds)
        assert track.log().count("watching ") == 1, "it was restarted"
        return count


def disk_read_only(folder: Path, rounds: int) -> Count:
    """Neither the database nor the link root can be written to for a while, as on a disk turned read-only."""
    track = Track(folder, **{engine.READING_S: "0.02"})
    database = [track.database, track.database.with_name("bibwatch.db-wal")]
    track.start()
    track.drop([rounds * 100])
    track.until(lambda: track.bibs.is_dir(), "the first photo is linked")
    _through_outages(track, rounds, lambda turn: _immutable((database, [track.bibs])[turn % 2]))
    count = track.finish(rounds)
    assert track.log().count("watching ") == 1, "it was restarted"
    return count


def _through_outages(track: Track, rounds: int, outage: Callable[[int], AbstractContextManager[None]]) -> None:
    """Photos arrive before and while a disk is out of use; in two rounds of four those before are being read."""
    for turn in range(rounds):
        track.drop(range(turn * 100, turn * 100 + 50))
        if turn % 4 >= 2:
            time.sleep(0.6)  # queued, and being read
        told = track.log().count("degraded:")
        with outage(turn):
            track.drop(range(turn * 100 + 50, turn * 100 + 100))
            track.until(lambda told=told: track.log().count("degraded:") > told, "it shows")
            time.sleep(2)
        track.until(track.all_ended, "every photo has ended")


def database_locked(folder: Path, rounds: int) -> Count:
    """Another program holds the database for longer than we wait for it."""
    track = Track(folder)
    track.start()
    track.until(track.children, "the service runs")
    for turn in range(rounds):
        track.drop(range(turn * 50, turn * 50 + 50))
        time.sleep(0.5)
        with closing(sqlite3.connect(track.database, timeout=60)) as other:
            other.execute("BEGIN EXCLUSIVE")
            track.drop(range(1000 + turn * 50, 1000 + turn * 50 + 50))
            time.sleep(8)
            other.execute("ROLLBACK")
        track.until(track.all_ended, "every photo has ended")
    track.notes.append(f"{track.log().count('degraded:')} times degraded")
    return track.finish(rounds)


def database_damaged(folder: Path, rounds: int) -> Count:
    """Pages of the database are overwritten: the start refuses it, --rebuild keeps it aside, and no link goes.

    In every second round the photos are out of sight when it is made again.
    """
    track, chance = Track(folder), random.Random(5)
    track.drop(range(300))
    away = track.folder / "away"
    for turn in range(rounds):
        track.start()
        track.until(track.all_ended, "every photo has ended")
        track.until(lambda: not track.differences(), "all are linked")
        assert track.stop() == 0
        track.correct(min(track.numbers), "77777")
        links = track.links() | {f"77777/{min(track.numbers).name}"}
        _damage(track.database, chance)
        refused = subprocess.run([*track.program, "run", "-c", track.config], check=False, env=track.environment())
        assert refused.returncode == 3, refused.returncode
        track.noted.unlink(missing_ok=True)  # what was lost is read anew, once
        kept = _kept_aside(track)
        if turn % 2:
            shutil.copytree(track.incoming, away)
            for photo in track.numbers:
                photo.unlink()
        track.start("--rebuild")
        track.until(lambda n=kept: _kept_aside(track) > n, "it is kept aside")
        if turn % 2:
            track.until(lambda: track.status().get("state") == "degraded", "the empty folder shows")
            time.sleep(3)
            assert len(links - track.links()) <= SALVAGE_LOSS, "links went while the folder was empty"
            shutil.copytree(away, track.incoming, dirs_exist_ok=True)
            shutil.rmtree(away)
        track.until(lambda wanted=links: track.links() >= wanted and track.all_ended(), "links stay, photos are read")
        assert track.stop() == 0
    track.notes.append(f"{_kept_aside(track)} databases kept aside")
    return track.finish(rounds)


def _kept_aside(track: Track) -> int:
    """How many damaged databases; the files beside them end in letters."""
    return len(list(track.folder.glob("*.db.damaged-*[0-9]")))


def _damage(database: Path, chance: random.Random) -> None:
    """Overwrite pages until SQLite notices, but leave the first, without which nothing could be read, and what people
    have said, which stands nowhere else."""
    pages = database.stat().st_size // PAGE
    with closing(sqlite3.connect(database)) as one, database.open("r+b", buffering=0) as file:
        said = _said(one)
        while one.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
            place = PAGE * chance.randrange(1, pages)
            before = os.pread(file.fileno(), PAGE, place)
            os.pwrite(file.fileno(), chance.randbytes(PAGE), place)
            one.execute("PRAGMA shrink_memory")
            if _said(one) != said:
                os.pwrite(file.fileno(), before, place)
                one.execute("PRAGMA shrink_memory")


def _said(database: sqlite3.Connection) -> list[tuple[object, ...]] | None:
    """Every correction with the content it is about, or None where they cannot be read."""
    with suppress(sqlite3.DatabaseError):
        return database.execute("SELECT * FROM corrections JOIN contents ON contents.id = content_id").fetchall()
    return None


@contextmanager
def _immutable(paths: list[Path]) -> Iterator[None]:
    """Nobody may write to these, not even who has them open."""
    try:
        refused = subprocess.run(["chattr", "+i", *paths], check=False, capture_output=True, text=True)
        if refused.returncode:
            raise NotHere(f"chattr: {refused.stderr.strip()}")
        yield
    finally:
        subprocess.run(["chattr", "-i", *paths], check=False, capture_output=True)


@contextmanager
def _disk(at: Path, size: str) -> Iterator[None]:
    """A disk of its own, of this size."""
    at.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], check=False).returncode:
        raise NotHere("this machine lets us mount nothing")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=False)


@contextmanager
def _filled(disk: Path) -> Iterator[None]:
    """There is no room, neither for bytes nor for further files."""
    ballast = disk / "ballast"
    ballast.mkdir()
    with suppress(OSError), (ballast / "bytes").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE))
    with suppress(OSError):
        for number in itertools.count():
            (ballast / str(number)).touch()
    yield
    shutil.rmtree(ballast)
