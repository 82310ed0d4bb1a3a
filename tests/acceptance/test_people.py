"""What people do with their race's bibs: start lists, corrections, questions, measurements."""

import json
import os
import re
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from bibwatch.draw import Runner, draw_scene
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from tests.support import Race, draw_photo

SMEAR = 3.8  # pixels: the number is harder to find
LIST = "bib,name\n2419,Ann Lee\n17,Ben/Bo\n"


def test_a_correction_moves_the_links_of_a_running_service(service: Race) -> None:
    photo = draw_photo(service.incoming / "a.jpg", "2419")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the photo is linked")
    said = service.command("correct", str(photo), "--remove", "2419", "--add", "2420,56d")
    assert (said.returncode, said.stdout) == (0, f"{photo}: 2420, 56D (was 2419)\n")
    service.until(lambda: service.links() == {"2420/a.jpg", "56D/a.jpg"}, "the links follow")
    assert service.command("correct", str(service.bibs / "56D" / "a.jpg"), "--undo").returncode == 0
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the links are back")


def test_a_correction_stays_when_the_photo_is_renamed_and_the_service_starts_anew(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    assert race.command("correct", str(photo), "--none").stdout == f"{photo}: no bib (was 2419)\n"
    assert race.links() == set()  # at once, also where no service runs
    photo.rename(race.incoming / "b.jpg")
    draw_photo(race.incoming / "copy.jpg", "2419")
    assert json.loads(race.command("scan", "--json").stdout.splitlines()[-1])["links"] == 0
    race.start()
    race.until_done(2)
    assert race.links() == set()


def test_a_correction_that_makes_no_sense_changes_nothing(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    for arguments, message in (
        ([], "say what the photo shows"),
        (["--undo", "--add", "7"], "say what the photo shows"),
        (["--none", "--set", "7"], "--none says that there is no bib"),
        (["--add", "a/b"], "'a/b' is no bib"),
        (["--undo"], "nobody has said anything"),
    ):
        refused = race.command("correct", str(photo), *arguments)
        assert refused.returncode == (2 if "Usage" in refused.stderr else 1)
        assert message.lower() in refused.stderr.lower()
    unknown = race.command("correct", str(race.folder / "elsewhere.jpg"), "--add", "7")
    assert (unknown.returncode, "not known" in unknown.stderr) == (1, True)
    assert race.links() == {"2419/a.jpg"}


def test_a_correction_tells_what_keeps_its_link_from_being_made(race: Race) -> None:
    race.configure("[2419, 2420]", "links: {mode: copy}\n")
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    theirs = race.bibs / "2420" / "a.jpg"
    theirs.parent.mkdir()
    theirs.write_text("somebody's own")
    said = race.command("correct", str(race.bibs / "2419" / "a.jpg"), "--set", "2420,17")  # a copy names its photo
    assert (said.returncode, said.stdout) == (0, f"{photo}: 17, 2420 (was 2419)\n")
    assert "not among the targets, so not linked: 17" in said.stderr
    assert str(theirs) in said.stderr
    assert theirs.read_text() == "somebody's own"
    assert f"kept from it by what stands there: {theirs}" in race.command("why", str(photo)).stdout


def test_a_correction_waits_until_the_photo_is_read_as_it_lies_there(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    draw_photo(photo, "3071")  # and nobody has seen that yet
    refused = race.command("correct", str(photo), "--set", "17")
    assert (refused.returncode, "not read yet as it lies there" in refused.stderr) == (1, True)
    race.command("scan")
    assert race.command("correct", str(photo), "--add", "17").returncode == 0
    assert race.links() == {"17/a.jpg", "3071/a.jpg"}
    times = photo.stat()
    photo.write_bytes(photo.read_bytes()[:-1] + b"x")
    os.utime(photo, ns=(times.st_atime_ns, times.st_mtime_ns))  # as some tools do that write over a file
    assert race.command("correct", str(photo), "--none").returncode == 1


def test_a_photo_that_is_merely_touched_or_out_of_reach_can_be_corrected(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.configure("all", "links: {mode: copy}\n")
    race.command("scan")
    photo.touch()
    assert race.command("correct", str(photo), "--add", "17").returncode == 0
    race.incoming.rename(race.folder / "away")
    assert race.command("correct", str(race.bibs / "2419" / "a.jpg"), "--remove", "2419").returncode == 0
    assert race.links() == {"17/a.jpg"}


def test_a_photo_that_waits_for_another_engine_can_be_corrected_meanwhile(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    with closing(Store.open(race.folder / "bibwatch.db")) as store:
        assert store.queue.wait_for_engine("another:1", time.time()) == 1
    assert race.command("correct", str(photo), "--set", "17").returncode == 0
    assert race.links() == {"17/a.jpg"}


def test_a_correction_beside_another_bibwatch_says_how_its_links_follow(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    lock = ServiceLock(race.folder / "bibwatch.db")
    lock.take()
    try:
        said = race.command("correct", str(photo), "--set", "17")
    finally:
        lock.release()
    assert (said.returncode, "by `bibwatch link`" in said.stderr) == (0, True)
    assert race.command("link").returncode == 0
    assert race.links() == {"17/a.jpg"}


def test_why_tells_the_story_of_a_link(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.configure("[2419]")
    race.command("scan")
    race.command("correct", str(photo), "--add", "17")
    told = race.command("why", str(race.bibs / "2419" / "a.jpg")).stdout
    assert told.startswith(f"{photo}: done\n")
    assert "'2419' at " in told
    assert "accepted (from 0.50); log odds" in told
    assert "a person said, 2" in told
    assert "  17: not linked: a person said so, but not among the targets\n" in told
    assert f"  link {race.bibs / '2419' / 'a.jpg'}\n" in told
    as_json = json.loads(race.command("why", str(photo), "--json").stdout)
    assert as_json["bibs"] == {"17": "not linked: a person said so, but not among the targets", "2419": "wanted: seen"}
    assert as_json["readings"][0]["text"] == "2419"


def test_why_tells_of_a_photo_that_could_not_be_read(race: Race) -> None:
    (race.incoming / "a.jpg").write_text("no picture")
    race.command("scan")
    told = race.command("why", str(race.incoming / "a.jpg")).stdout
    assert told.startswith(f"{race.incoming / 'a.jpg'}: failed: ")
    assert "not read yet" in told


@pytest.mark.long
def test_a_start_list_names_folders_and_a_broken_one_leaves_the_one_before_in_force(service: Race) -> None:
    draw_photo(service.incoming / "a.jpg", "2419", "3071", size=(800, 600))
    service.until(lambda: service.links() == {"2419/a.jpg", "3071/a.jpg"}, "both are linked")
    entrants = service.folder / "list.csv"
    entrants.write_text(LIST)
    service.configure("all", 'start_list: list.csv\nlinks: {folder: "{bib}_{name}"}\n')
    service.until(lambda: service.links() == {"2419_Ann Lee/a.jpg"}, "only the entrant is linked")
    service.until(lambda: service.status()["start_list"] == "2 entrants", "the list is told")
    entrants.write_text("name,club\nAnn Lee,none\n")
    service.until(lambda: service.status()["degraded"], "the broken list is told")
    [reason] = service.status()["degraded"]
    assert f"start_list: {entrants}: no column for the bib; the first row has 'name', 'club'" in reason
    assert service.links() == {"2419_Ann Lee/a.jpg"}
    entrants.unlink()
    service.until(lambda: "gone; the start list read before" in str(service.status()["degraded"]), "its loss is told")
    entrants.write_text(LIST + "3071,Cy\n")
    both = {"2419_Ann Lee/a.jpg", "3071_Cy/a.jpg"}
    service.until(lambda: service.links() == both, "the new list is followed")
    # A config that names a broken list is refused; after it is taken back, the list in force is watched as before.
    (service.folder / "two.csv").write_text("nothing\n")
    service.configure("all", "start_list: two.csv\n")
    service.until(lambda: "two.csv" in str(service.status()["degraded"]), "the broken list is told")
    service.configure("all", 'start_list: list.csv\nlinks: {folder: "{bib}_{name}"}\n')
    service.until(lambda: service.status()["degraded"] == [], "the config is taken back")
    entrants.write_text("bib,name\n3071,Cy\n")
    service.until(lambda: service.links() == {"3071_Cy/a.jpg"}, "the list is followed again")
    service.until(lambda: service.status()["degraded"] == [], "all is well again")
    assert service.status()["since_start"]["read"] == 1


def test_a_start_list_that_is_none_is_a_config_error_and_check_tells_doubtful_rows(race: Race) -> None:
    entrants = race.folder / "list.csv"
    race.configure("all", "start_list: list.csv\n")
    assert "list.csv: no such file" in race.command("run").stderr
    entrants.write_bytes(b"PK\x03\x04\0\0")
    for command in ("run", "scan", "check"):
        refused = race.command(command)
        assert "a spreadsheet must be saved as CSV UTF-8" in refused.stderr + refused.stdout
        assert refused.returncode == (1 if command == "check" else 2)
    entrants.write_text(LIST + "17,Cy\n")
    checked = race.command("check")
    assert f"start list {entrants}: 2 entrants; 1 doubtful row" in checked.stdout
    assert "line 4: bib 17 is in line 3 already, which counts" in checked.stdout + checked.stderr


def test_find_tells_maybes_apart_and_rules_change_without_reading_again(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    race.command("scan")
    assert race.command("find", "2419", "--maybe").returncode == 1
    race.configure("all", "match: {accept: 1.0}\n")
    assert race.command("link").returncode == 0
    assert race.links() == set()
    assert race.command("find", "2419").returncode == 1
    assert race.command("find", "2419", "--maybe").stdout == f"{photo}\n"
    race.configure("all", "bibs: {ignore: [2419]}\n")
    assert race.command("find", "2419", "--maybe").returncode == 1
    race.configure("all")
    assert json.loads(race.command("scan", "--json").stdout.splitlines()[-1])["read"] == 0
    assert race.links() == {"2419/a.jpg"}


def test_in_a_burst_a_sure_photo_speaks_for_a_doubtful_one_and_takes_that_back_when_it_goes(service: Race) -> None:
    exif = Image.Exif()
    exif[0x0110] = "EOS R5"
    exif.get_ifd(0x8769)[0x9003] = "2026:05:03 09:30:00"
    sure, doubtful = service.incoming / "a.jpg", service.incoming / "b.jpg"
    drawn = draw_scene([Runner("2419", 0.5, 0.95)], (800, 600), 1)
    drawn.save(sure, exif=exif)
    smeared = drawn.filter(ImageFilter.GaussianBlur(SMEAR))
    smeared.save(doubtful, exif=exif)
    service.until_done(2)
    low, high = (probability_of(service, photo) for photo in (doubtful, sure))
    assert 0.1 < low < high
    between = (low + high) / 2
    service.configure("all", f"match: {{accept: {between}}}\n")
    service.until(lambda: service.links() == {"2419/a.jpg"}, "the doubtful one is not linked")
    service.configure("all", f"match: {{accept: {between}, burst_s: 2}}\n")
    service.until(lambda: service.links() == {"2419/a.jpg", "2419/b.jpg"}, "the sure one speaks for it")
    fate = json.loads(service.command("why", str(doubtful), "--json").stdout)["bibs"]["2419"]
    assert fate == f"wanted: doubtful here, sure at a similar place in {sure}, 0.0 s apart"
    assert service.command("find", "2419").stdout.count("\n") == 2
    assert service.command("find", "2419", "--maybe").returncode == 1
    smeared.save(sure)
    service.until(lambda: service.links() == set(), "what was inferred falls with what it stood on")


def probability_of(race: Race, photo: Path) -> float:
    """What `eval` would say of the photo's bib, by the story that `why` tells."""
    told = race.command("why", str(photo)).stdout
    return float(re.search(r"2419: (0\.\d+|1\.0+),", told)[1])  # type: ignore[index]


def test_eval_measures_labelled_photos_and_shows_what_was_wrong(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419", "3071", size=(800, 600))
    draw_photo(race.incoming / "b.jpg", "512")
    manifest, html = race.folder / "manifest.csv", race.folder / "wrong.html"
    manifest.write_text("file,bibs,ambiguous,source\na.jpg,2419,3071,day\nb.jpg,513,,night\ngone.jpg,,,night\n")
    arguments = (str(manifest), "--photos", str(race.incoming))
    told = race.command("eval", *arguments, "--html", str(html))
    assert told.returncode == 0
    assert "b.jpg: 512 is wrong" in told.stdout
    assert "513 is missed" in told.stdout
    assert "gone.jpg: failed" in told.stderr
    assert "s a photo in one reading process" in told.stdout
    assert "missed: 513" in html.read_text()
    found = json.loads(race.command("eval", *arguments, "--json").stdout)
    counts = ("photos", "bibs", "true_positives", "false_positives", "false_negatives", "precision", "recall", "f1")
    assert [found[key] for key in counts] == [3, 2, 1, 1, 1, 0.5, 0.5, 0.5]
    assert found["sources"]["day"]["f1"] == 1.0
    assert found["errors"] == [{"photo": "b.jpg", "wrong": ["512"], "missed": ["513"]}]
    entrants = race.folder / "list.csv"
    entrants.write_text("bib\n2419\n513\n")
    listed = race.command("eval", *arguments, "--source", "night", "--start-list", str(entrants), "--json")
    assert json.loads(listed.stdout)["false_positives"] == 0
    entrants.write_text("nothing\n")
    refused = race.command("eval", *arguments, "--start-list", str(entrants))
    assert (refused.returncode, "no column for the bib" in refused.stderr) == (2, True)
    nowhere = race.command("eval", *arguments, "--source", "dawn")
    assert (nowhere.returncode, "no photo of source dawn" in nowhere.stderr) == (1, True)
