"""A running service, as a photographer has it: drop photos in, edit the config, pull the plug."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from bibwatch.log import LINES
from tests.support import Race, draw_photo


def test_a_photo_dropped_in_is_linked(service: Race, tmp_path: Path) -> None:
    photo = draw_photo(tmp_path / "a.jpg", "2419")
    shutil.copyfile(photo, service.incoming / "a.jpg")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    assert (service.bibs / "2419" / "a.jpg").resolve() == service.incoming / "a.jpg"


def test_a_photo_written_in_three_slow_pieces_is_read_once_and_whole(service: Race, tmp_path: Path) -> None:
    data = draw_photo(tmp_path / "a.jpg", "2419").read_bytes()
    third = len(data) // 3
    with (service.incoming / "a.jpg").open("wb") as file:
        for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
            file.write(piece)
            file.flush()
            time.sleep(1.6)  # longer than it takes to settle
    service.until_done(1)
    assert service.status()["inferences"] == 1
    assert service.links() == {"2419/a.jpg"}


def test_a_tree_of_a_thousand_photos_is_found_whole_and_copies_are_read_once(service: Race, tmp_path: Path) -> None:
    photos = [draw_photo(tmp_path / f"{bib}.jpg", str(bib)) for bib in (2419, 3071, 17)]
    for number in range(1000):
        path = tmp_path / "card" / f"cam{number % 5}" / f"IMG_{number:04}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photos[number % 3], path)
    shutil.copytree(tmp_path / "card", service.incoming / "card")
    service.until_done(1000)
    assert service.status()["inferences"] == 3
    assert len(service.links()) == 1000


def test_a_file_renamed_from_a_temporary_name_is_read(service: Race, tmp_path: Path) -> None:
    shutil.copyfile(draw_photo(tmp_path / "a.jpg", "2419"), service.incoming / ".IMG.jpg.x7")
    time.sleep(1.5)
    (service.incoming / ".IMG.jpg.x7").rename(service.incoming / "IMG.jpg")
    service.until(lambda: service.links() == {"2419/IMG.jpg"}, "the photo is linked")


def test_targets_come_and_go_with_the_config_and_nothing_is_read_again(service: Race) -> None:
    service.configure("[2419]")
    draw_photo(service.incoming / "a.jpg", "2419", "3071", size=(640, 360))
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    service.configure("[2419, 3071]")
    service.until(lambda: "3071/a.jpg" in service.links(), "the new target is linked")
    (service.bibs / "2419" / "notes.txt").write_text("mine")
    service.configure("[]")
    service.until(lambda: service.links() == {"2419/notes.txt"}, "old targets are gone")
    service.until(lambda: not (service.bibs / "3071").exists(), "the empty folder is gone")
    assert service.status()["inferences"] == 1


def test_a_config_that_does_not_validate_changes_nothing_and_status_says_why(service: Race) -> None:
    draw_photo(service.incoming / "a.jpg", "2419")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    service.configure("[]", "colour: blue\n")
    service.until(lambda: service.status()["state"] == "degraded", "the refusal shows")
    result = service.command("status")
    assert result.returncode == 1
    assert "colour: no such key" in result.stdout
    assert service.links() == {"2419/a.jpg"}
    service.configure("all")
    service.until(lambda: service.status()["state"] == "ok", "the mended config is followed")


def test_sighup_reloads(service: Race) -> None:
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: "the config is followed" in service.log(), "the reload shows")


def test_a_photo_moved_within_or_deleted_takes_its_links_along(service: Race) -> None:
    draw_photo(service.incoming / "a.jpg", "2419")
    draw_photo(service.incoming / "b.jpg", "3071")
    service.until(lambda: service.links() == {"2419/a.jpg", "3071/b.jpg"}, "both are linked")
    (service.incoming / "cam1").mkdir()
    (service.incoming / "a.jpg").rename(service.incoming / "cam1" / "c.jpg")
    (service.incoming / "b.jpg").unlink()
    service.until(lambda: service.links() == {"2419/c.jpg"}, "the links follow")
    assert service.status()["inferences"] == 2


def test_two_cameras_photos_of_one_name_are_both_linked(service: Race) -> None:
    draw_photo(service.incoming / "cam1" / "IMG_0001.JPG", "2419", seed=1)
    draw_photo(service.incoming / "cam2" / "IMG_0001.JPG", "2419", seed=2)
    service.until(lambda: len(service.links()) == 2, "both are linked")
    targets = {path.resolve().parent.name for path in (service.bibs / "2419").iterdir()}
    assert targets == {"cam1", "cam2"}


@pytest.mark.long
def test_the_service_stops_cleanly_and_leaves_no_process(service: Race, tmp_path: Path) -> None:
    pids = service.status()["workers"]["pids"]
    for number in range(60):  # so many that the status is asked while they are read
        draw_photo(tmp_path / "card" / f"{number}.jpg", str(1000 + number))
    shutil.copytree(tmp_path / "card", service.incoming / "card")
    service.until(lambda: service.status()["workers"]["busy"] == 4, "every child has its hands full")
    assert service.stop() == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert service.status()["state"] == "down"
    assert service.command("status").returncode == 2
    service.start()
    service.until_done(60)
    assert service.status()["inferences"] == 60


@pytest.mark.long
def test_kill_9_in_the_middle_loses_nothing(race: Race, tmp_path: Path) -> None:
    for number in range(50):
        draw_photo(tmp_path / "card" / f"{1000 + number}.jpg", str(1000 + number), size=(320, 160))
    race.start()
    children = race.status()["workers"]["pids"]
    shutil.copytree(tmp_path / "card", race.incoming / "card")
    race.until(lambda: race.status()["queue"]["done"] >= 10, "ten are done")
    race.kill()
    race.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the children end too")
    assert readings_in(race.log()) < 50
    race.start()
    race.until_done(50)
    found = race.status()
    assert found["inferences"] == 50
    in_flight = 4  # two children, two photos each
    # Fewer than 50 where the end came between storing what was in flight and logging it.
    assert 50 - in_flight <= readings_in(race.log()) <= 50 + in_flight
    assert found["links"] == len(race.links()) >= 45  # the drawn numbers that were read right


def readings_in(log: str) -> int:
    """How many readings a service's log tells of, each with its seconds."""
    return sum(line.endswith(" s)") for line in log.splitlines())


def test_what_only_links_depend_on_is_changed_without_touching_the_readers(service: Race) -> None:
    draw_photo(service.incoming / "a.jpg", "2419")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    pids = service.status()["workers"]["pids"]
    service.configure("all", "reader: {min_score: 1}\n")
    service.until(lambda: service.links() == set(), "no reading is that sure")
    service.configure("all", "links: {root: elsewhere}\n")
    service.until((service.folder / "elsewhere" / "2419" / "a.jpg").is_symlink, "the links move")
    found = service.status()
    assert (found["workers"]["pids"], found["inferences"]) == (pids, 1)


def test_other_folders_and_readers_are_followed_too(service: Race) -> None:
    draw_photo(service.incoming / "a.jpg", "2419")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    draw_photo(service.folder / "second" / "b.jpg", "3071")
    service.config.write_text("watch: [{path: second}]\ntargets: all\nreader: {workers: 1}\n")
    service.until(lambda: service.links() == {"3071/b.jpg"}, "the other folder is followed")
    assert len(service.status()["workers"]["pids"]) == 1
    service.config.write_text("watch: [{path: second}, {path: incoming}]\ntargets: all\nreader: {workers: 1}\n")
    service.until(lambda: len(service.links()) == 2, "both are followed")
    assert service.status()["inferences"] == 2


def test_status_finds_the_service_also_while_the_config_is_broken(race: Race) -> None:
    race.configure("all", "database: state/race.db\n")
    race.start()
    race.config.write_text("database: state/race.db   # here\nwatch: [\n")
    race.until(lambda: race.status().get("state") == "degraded", "the refusal shows")
    assert "not valid YAML" in race.command("status").stdout


def test_a_flood_of_bad_files_fails_whole_and_fills_no_log(service: Race) -> None:
    for number in range(60):
        (service.incoming / f"{number}.jpg").write_text("no picture")
    service.until(lambda: service.status()["queue"]["failed"] == 60, "all have failed")
    lines = [line for line in service.log().splitlines() if ": failed: " in line]
    assert len(lines) == LINES
    assert "more like this are held back" in lines[-1]


def test_a_second_service_on_the_same_database_is_refused(service: Race) -> None:
    result = service.command("run")
    assert result.returncode == 3
    assert "another bibwatch" in result.stderr
    assert service.command("link").returncode == 3
    assert service.command("link", "--dry-run").returncode == 0


def test_the_service_process_holds_no_model_library(service: Race) -> None:
    assert service.process is not None
    children = service.status()["workers"]["pids"]
    libraries = ("onnxruntime", "libtorch", "/cv2/")

    def loaded(pid: int) -> list[str]:
        maps = Path(f"/proc/{pid}/maps").read_text()
        return [library for library in libraries if library in maps]

    assert loaded(service.process.pid) == []
    assert "onnxruntime" in loaded(children[0])


def test_a_config_error_exits_2_with_every_problem_and_makes_no_files(race: Race) -> None:
    race.configure("[1]\ntargets: [2]", "links: {root: incoming/bibs}\ncolour: blue\n")
    for command in ("run", "scan"):
        result = race.command(command)
        assert result.returncode == 2
        for part in ("written twice", "lie one inside the other", "colour: no such key", "3 problems"):
            assert part in result.stderr
    race.config.write_text("watch: [{path: gone}]\ntargets: all\n")
    assert "gone: no such folder" in race.command("run").stderr
    race.config.write_text("watch: [\n")
    assert "not valid YAML" in race.command("run").stderr
    assert sorted(path.name for path in race.folder.iterdir()) == ["config.yaml", "incoming"]
