"""The commands that run and end."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bibwatch.cli import main
from tests.support import BIBWATCH, Race, draw_photo

SCAN_ALL_S = 900  # a generous limit for 258 photos on a slow machine


def last_json(result: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    assert result.stdout.count("\n") == 1, result.stdout
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_scan_reads_once_links_and_says_so(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    draw_photo(race.incoming / "b.png", "3071")
    found = last_json(race.command("scan", "--json"))
    seconds = found.pop("seconds")
    assert isinstance(seconds, float)
    assert found == {"photos": 2, "read": 2, "reused": 0, "failed": 0, "links": 2}
    assert race.links() == {"2419/a.jpg", "3071/b.png"}
    again = last_json(race.command("scan", "--json"))
    assert (again["read"], again["reused"]) == (0, 2)
    plain = race.command("scan")
    assert "2 photos: 0 read, 2 known already, 0 failed; 2 links in" in plain.stdout
    assert "2 of 2 photos" in plain.stderr


@pytest.mark.long
def test_files_that_are_no_good_fail_with_their_reason_and_cost_no_other(race: Race) -> None:
    good = draw_photo(race.incoming / "good.jpg", "2419")
    jpeg = good.read_bytes()
    (race.incoming / "text.jpg").write_text("not a picture")
    (race.incoming / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (race.incoming / "empty.jpg").touch()
    claims = b"\xff\xd8\xff\xc0\x00\x11\x08\x75\x30\x75\x30\x03\x01\x11\x00\x02\x11\x01\x03\x11\x01\xff\xda"
    (race.incoming / "huge.jpg").write_bytes(claims + bytes(93_000) + b"\xff\xd9")
    os.mkfifo(race.incoming / "fifo.jpg")
    (race.incoming / "folder.jpg").mkdir()
    (race.incoming / "new\nline.jpg").write_bytes(jpeg)
    (race.incoming / os.fsdecode(b"bad\xff.jpg")).write_bytes(jpeg + b"other")
    result = race.command("scan", "--json")
    found = last_json(result)
    assert result.returncode == 1
    assert (found["photos"], found["failed"], found["links"]) == (7, 4, 3)
    for name, reason in (
        ("text.jpg", "neither a JPEG nor a PNG"),
        ("cut.jpg", "ends early"),
        ("empty.jpg", "empty"),
        ("huge.jpg", "claims 30000 x 30000 pixels"),
    ):
        [line] = [line for line in result.stderr.splitlines() if line.startswith("failed:") and name in line]
        assert reason in line
    assert race.links() == {"2419/good.jpg", "2419/new\nline.jpg", "2419/bad\udcff.jpg"}
    status = race.command("status")
    assert "huge.jpg: the picture claims" in status.stdout


def test_find_and_link_ask_the_database(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    assert race.command("find", "2419").returncode == 1
    assert "no database yet" in race.command("find", "2419").stderr
    race.command("scan")
    assert race.command("find", "2419").stdout == f"{race.incoming / 'a.jpg'}\n"
    assert last_json(race.command("find", "2418", "--max-distance", "1", "--json"))["photos"]
    assert race.command("find", "2418").returncode == 1
    race.configure("[]")
    preview = race.command("link", "--dry-run")
    assert f"would unlink {race.bibs / '2419' / 'a.jpg'}" in preview.stdout
    assert race.links() == {"2419/a.jpg"}
    assert last_json(race.command("link", "--json"))["removed"] == [str(race.bibs / "2419" / "a.jpg")]
    assert race.links() == set()


def test_read_needs_neither_config_nor_database(tmp_path: Path) -> None:
    photo = draw_photo(tmp_path / "a.jpg", "2419")
    (tmp_path / "b.jpg").write_text("no picture")
    result = subprocess.run(
        [*BIBWATCH, "read", "--json", str(photo), "b.jpg", "c.jpg"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    first, second, third = map(json.loads, result.stdout.splitlines())
    assert first["photo"] == str(photo)
    assert first["error"] is None
    [reading] = first["readings"]
    assert reading.keys() == {"bib", "score", "box", "detection_score"}
    assert reading["bib"] == "2419"
    assert second == {"photo": "b.jpg", "readings": [], "error": "the file is neither a JPEG nor a PNG picture"}
    assert third["error"] == "no such file"
    assert result.returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]


def test_check_says_what_is_well_and_what_to_mend(race: Race) -> None:
    result = race.command("check")
    assert result.returncode == 0
    assert "ok    engine ppocr on cpu" in result.stdout
    race.configure("all", "colour: blue\n")
    result = race.command("check")
    assert result.returncode == 1
    assert "MEND  config" in result.stdout


def test_links_may_be_hardlinks_or_copies_in_folders_named_by_a_template(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    for mode in ("hardlink", "copy", "symlink"):
        race.configure("all", f"links: {{mode: {mode}, folder: 'bib {{bib}}', relative: false}}\n")
        race.command("scan")
        [link] = (race.bibs / "bib 2419").iterdir()
        assert link.read_bytes() == photo.read_bytes()
        assert link.is_symlink() is (mode == "symlink")
        assert link.samefile(photo) is (mode != "copy")
    assert link.readlink() == photo


@pytest.mark.long
@pytest.mark.timeout(SCAN_ALL_S)
def test_every_shared_photo_is_read(shared: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"watch: [{{path: {shared / 'photos'}}}]\ntargets: all\n")
    result = subprocess.run(
        [*BIBWATCH, "scan", "--json", "-c", str(config)], capture_output=True, text=True, check=False
    )
    found = json.loads(result.stdout)
    assert (found["photos"], found["read"], found["failed"]) == (258, 258, 0), result.stderr[-3000:]


def test_demo_fills_the_folders_of_its_targets(tmp_path: Path) -> None:
    folder = tmp_path / "try"
    result = subprocess.run(
        [*BIBWATCH, "demo", "--photos", "8", "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    folders = sorted((folder / "bibs").iterdir())
    assert len(folders) == 3
    assert all(list(bib.iterdir()) for bib in folders)
    assert "8 photos, 8 readings" in result.stdout
    assert "Its page, live: http://127.0.0.1:" in result.stdout
    assert "bibwatch check" in result.stdout


def test_help_shows_examples() -> None:
    for command in main.commands:
        result = subprocess.run([*BIBWATCH, command, "--help"], capture_output=True, text=True, check=False, timeout=60)
        assert "Example:" in result.stdout
