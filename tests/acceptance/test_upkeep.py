"""When something goes wrong on race day: folders that go, databases that fail, disks that fill; and what helps then."""

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bibwatch.store.store import Store
from bibwatch.values import Correction
from tests.mounts import Mounts
from tests.support import Race, draw_photo

PAGE = 4096  # bytes
OFTEN = "photos: {rescan_s: 2}\n"
SELDOM = "photos: {rescan_s: 3600}\n"  # so that what happens has another reason than a scan that was due anyway


def linked(race: Race, *bibs: str) -> set[str]:
    """Photos of these bibs are dropped, read and linked; returns the links."""
    for bib in bibs:
        draw_photo(race.incoming / f"{bib}.jpg", bib)
    links = {f"{bib}/{bib}.jpg" for bib in bibs}
    race.until(lambda: race.links() >= links, "the photos are linked")
    return links


def is_degraded_by(race: Race, *texts: str) -> bool:
    """Whether one of the reasons that `status` gives holds all of these texts."""
    reasons = race.status().get("degraded", [])
    return any(all(text in reason for text in texts) for reason in reasons)


def test_verify_tells_by_its_exit_code_and_in_json_what_does_not_agree(race: Race) -> None:
    before = race.command("verify")
    assert before.returncode == 1
    assert "no database yet" in before.stderr
    draw_photo(race.incoming / "a.jpg", "2419")
    assert race.command("scan").returncode == 0
    agreeing = race.command("verify")
    assert (agreeing.returncode, agreeing.stdout) == (0, "photos, database and links agree\n")
    assert json.loads(race.command("verify", "--json").stdout) == {"differences": []}
    (race.bibs / "2419" / "a.jpg").unlink()
    (race.incoming / "b.jpg").write_text("not scanned yet")
    differing = race.command("verify")
    assert differing.returncode == 1
    assert f"2419/a.jpg: is missing; it should lead to {race.incoming / 'a.jpg'}" in differing.stdout
    assert f"{race.incoming / 'b.jpg'}: not in the database" in differing.stdout
    assert differing.stdout.splitlines()[-1] == "2 differences"
    as_json = race.command("verify", "--json")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["differences"] == differing.stdout.splitlines()[:-1]
    assert race.links() == set()


@pytest.mark.long
def test_a_folder_that_goes_keeps_its_links_until_it_is_forgotten_and_coming_back_costs_no_reading(race: Race) -> None:
    race.configure("all", SELDOM)
    race.start()
    links = linked(race, "2419", "3071")
    away = race.folder / "away"
    race.incoming.rename(away)
    race.until(lambda: is_degraded_by(race, str(race.incoming), "bibwatch forget"), "it shows")
    assert race.links() == links
    forgotten = race.command("forget", str(race.incoming))
    assert (forgotten.returncode, "2 photos forgotten" in forgotten.stdout) == (0, True)
    race.until(lambda: race.links() == set(), "the links go")
    away.rename(race.incoming)
    race.until(lambda: race.links() == links, "they are back")
    race.until(lambda: race.status()["state"] == "ok", "all is well")
    assert race.status()["inferences"] == 2
    assert race.command("verify").returncode == 0


@pytest.mark.long
def test_a_folder_that_is_another_one_keeps_its_links_over_a_restart_until_its_photos_are_back(race: Race) -> None:
    race.configure("all", OFTEN)
    race.start()
    links = linked(race, "2419", "3071")
    assert race.stop() == 0
    race.incoming.rename(race.folder / "away")
    race.incoming.mkdir()
    race.start()
    race.until(lambda: is_degraded_by(race, str(race.incoming), "bibwatch forget"), "it shows")
    links |= linked(race, "17")
    assert race.links() == links
    assert is_degraded_by(race, str(race.incoming), "bibwatch forget")
    for photo in (race.folder / "away").iterdir():
        photo.rename(race.incoming / photo.name)
    race.until(lambda: race.status()["state"] == "ok", "all is well")
    assert race.links() == links
    (race.incoming / "2419.jpg").unlink()  # and what is deleted now is deleted
    race.until(lambda: race.links() == links - {"2419/2419.jpg"}, "its link goes")
    assert race.status()["inferences"] == 3


def test_failed_photos_are_tried_again_when_they_are_told_to(race: Race, tmp_path: Path) -> None:
    good = draw_photo(tmp_path / "a.jpg", "2419").read_bytes()
    photo = race.incoming / "a.jpg"
    photo.write_bytes(b"?" * len(good))
    os.utime(photo, ns=(10**18, 10**18))
    race.start()
    race.until(lambda: race.status()["queue"]["failed"] == 1, "it fails")
    assert race.stop() == 0
    photo.write_bytes(good)
    os.utime(photo, ns=(10**18, 10**18))  # a disk that was sick has the same photo to show as before
    race.start()
    assert race.status()["queue"]["failed"] == 1
    retried = race.command("retry")
    assert (retried.returncode, retried.stdout) == (0, "1 photo to be tried again\n")
    race.until(lambda: race.links() == {"2419/a.jpg"}, "it is read and linked")
    assert race.status()["queue"] == {"waiting": 0, "reading": 0, "done": 1, "failed": 0}
    assert race.command("retry").stdout == "0 photos to be tried again\n"


def test_what_looks_after_a_database_makes_none(race: Race) -> None:
    for command in (("retry",), ("forget", str(race.incoming)), ("verify",)):
        result = race.command(*command)
        assert (result.returncode, "no database yet" in result.stderr) == (1, True)
    assert sorted(path.name for path in race.folder.iterdir()) == ["config.yaml", "incoming"]


@pytest.mark.long
def test_a_damaged_database_is_refused_and_made_anew_when_asked_while_the_links_stay(race: Race) -> None:
    race.start()
    links = linked(race, "2419", "3071", "17")
    assert race.stop() == 0
    database = race.folder / "bibwatch.db"
    with closing(Store.open(database)) as store:
        content = hashlib.sha256((race.incoming / "17.jpg").read_bytes()).digest()
        assert store.corrections.add(content, [Correction("add", ("18",))], 1.0)
    with closing(sqlite3.connect(database)) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'readings'"
        page = connection.execute(sql).fetchone()[0] - 1
    with database.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(os.urandom(PAGE))
    damaged = database.read_bytes()
    refused = race.command("run")
    assert refused.returncode == 3
    assert "the database is damaged" in refused.stderr
    assert "bibwatch run --rebuild" in refused.stderr
    assert (database.read_bytes(), race.links()) == (damaged, links)

    def all_are_read_again() -> bool:
        assert race.links() >= links, "links were lost meanwhile"
        return any(kept_aside(race)) and race.status().get("queue", {}).get("done") == 3

    with (race.folder / "service.log").open("ab") as log:
        command = [*race.program, "run", "--rebuild", "-c", str(race.config)]
        race.process = subprocess.Popen(command, stdout=log, stderr=log)
    race.until(all_are_read_again, "the photos are read again")
    [aside] = kept_aside(race)
    assert aside.read_bytes() == damaged
    assert race.status()["inferences"] == 3
    corrected = links | {"18/17.jpg"}
    race.until(lambda: race.links() == corrected, "what a person said came along")
    assert race.command("verify").returncode == 0
    assert race.stop() == 0
    race.start()  # without --rebuild
    assert race.links() == corrected


def kept_aside(race: Race) -> list[Path]:
    """The damaged databases, without the files that SQLite keeps beside each."""
    return [path for path in race.folder.glob("bibwatch.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


@pytest.mark.long
def test_a_database_that_another_program_locks_costs_no_photo_and_no_restart(service: Race, tmp_path: Path) -> None:
    assert service.process is not None
    links = linked(service, "2419")
    pid = service.process.pid
    new = draw_photo(tmp_path / "new.jpg", "3071")
    with closing(sqlite3.connect(service.folder / "bibwatch.db", isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(5):
            shutil.copyfile(new, service.incoming / f"{number}.jpg")
        service.until(lambda: "degraded: " in service.log() and "locked" in service.log(), "it is told")
        assert service.links() == links
        other.execute("ROLLBACK")
    links |= {f"3071/{number}.jpg" for number in range(5)}
    service.until(lambda: service.links() == links, "all are linked")
    service.until(lambda: service.status()["state"] == "ok", "all is well")
    found = service.status()
    assert found["queue"] == {"waiting": 0, "reading": 0, "done": 6, "failed": 0}
    assert (found["pid"], found["inferences"]) == (pid, 2)
    assert "well again: " in service.log()


@pytest.mark.long
def test_a_link_root_that_is_full_or_read_only_for_a_while_heals_without_a_restart(race: Race, mounts: Mounts) -> None:
    card = mounts.disk(race.folder / "card", "size=64k,nr_inodes=64")
    race.bibs = card / "bibs"
    race.configure("all", "links: {root: card/bibs}\n" + OFTEN)
    race.start()
    links = linked(race, "2419")
    fill(card / "ballast")
    draw_photo(race.incoming / "3071.jpg", "3071")
    race.until(lambda: is_degraded_by(race, "No space left on device"), "the full disk shows")
    race.until_done(2)
    shutil.rmtree(card / "ballast")
    links |= {"3071/3071.jpg"}
    race.until(lambda: race.links() == links, "it is linked when there is room")
    mounts.remount(card, "ro")
    draw_photo(race.incoming / "17.jpg", "17")
    race.until(lambda: is_degraded_by(race, "Read-only file system"), "the read-only disk shows")
    mounts.remount(card, "rw")
    links |= {"17/17.jpg"}
    race.until(lambda: race.links() == links, "it is linked when it may be written to")
    race.until(lambda: race.status()["state"] == "ok", "all is well")
    assert race.status()["inferences"] == 3
    assert race.log().count("watching ") == 1


def fill(ballast: Path) -> None:
    """Leave no room, neither for bytes nor for further files."""
    ballast.mkdir()
    with suppress(OSError), (ballast / "bytes").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE))
    with suppress(OSError):
        for number in itertools.count():
            (ballast / str(number)).touch()
