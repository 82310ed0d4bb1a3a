"""What the page shows follows the database, and what people say lands in it."""

import io
import re
import time
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path

from PIL import Image

from bibwatch.match.event import Event
from bibwatch.values import Correction, Photo
from bibwatch.web.files import LEFT_OUT, archive
from bibwatch.web.views import PHOTOS_AT_ONCE
from tests.page import Answer, RaceWithPage, reading

OpenPage = Callable[..., RaceWithPage]
LIST = "bib,name\n2419,Zoë Müller\n17,Ben Bo\n18,Ben Lee\n"


def says(race: RaceWithPage, path: str, what: str) -> None:
    race.until(lambda: what in race.get(path).text)


def test_what_is_read_appears_changes_and_goes(race: RaceWithPage) -> None:
    assert "No photo has been read yet" in race.get("/").text
    race.read("a.jpg", "2419")
    says(race, "/", "2419 a.jpg")
    (race.incoming / "a.jpg").unlink()
    race.read("a.jpg", "77")
    says(race, "/", "77 a.jpg")
    assert "No photo" not in race.get("/find?q=77").text
    race.store.queue.remove([race.incoming / "a.jpg"])
    says(race, "/", "No photo has been read yet")
    assert "Nothing fits 77" in race.get("/find?q=77").text


def test_a_photo_whose_new_version_cannot_be_read_shows_nothing_any_more(race: RaceWithPage) -> None:
    photo_id = race.read("a.jpg", "2419")
    says(race, "/", "2419 a.jpg")
    race.store.queue.add([Photo(race.incoming / "a.jpg", 1, 1)], time.time())
    [job] = race.store.queue.claim(time.time(), 1)
    race.store.queue.fail(job, "it is damaged", time.time())
    says(race, "/", "No photo has been read yet")
    assert "it is damaged" in race.get(f"/photo/{photo_id}").text


def test_a_word_is_stored_and_shown_and_copies_follow(race: RaceWithPage) -> None:
    photo_id = race.read("a.jpg", "2419")
    says(race, "/", "2419 a.jpg")
    for fields, bibs in (
        ([("do", "add"), ("bibs", "17, 18 17")], ["17", "18", "2419"]),
        ([("do", "remove"), ("bibs", "2419")], ["17", "18"]),
        ([("do", "set"), ("bibs", "5"), ("bibs", "6b")], ["5", "6B"]),
        ([("do", "none"), ("bibs", "")], []),
        ([("do", "undo")], ["5", "6B"]),
    ):
        answer = race.post(f"/photo/{photo_id}/say", [*fields, ("next", f"/photo/{photo_id}?bib=1")])
        assert (answer.status, answer.headers["location"]) == (303, f"/photo/{photo_id}?bib=1")
        assert race.bibs(photo_id) == bibs
    assert race.store.corrections.take_names() == ["a.jpg"]
    assert "a person said" in race.get(f"/photo/{photo_id}").text
    refused = [race.post(f"/photo/{photo_id}/say", [("do", "undo")]) for _ in range(4)][-1]
    assert (refused.status, "nobody has said anything" in refused.text) == (422, True)


def test_what_others_say_and_take_back_is_followed(race: RaceWithPage) -> None:
    race.read("a.jpg", "2419")
    says(race, "/", "2419 a.jpg")
    content = race.store.readings.content_of(race.incoming / "a.jpg")
    assert content is not None
    race.store.corrections.add(content, [Correction("set", ("5",))], time.time())
    says(race, "/", "5 a.jpg")
    race.store.corrections.undo(content)
    race.store.corrections.add(content, [Correction("set", ("77",))], time.time())
    says(race, "/", "77 a.jpg")
    race.store.corrections.undo(content)
    says(race, "/", "2419 a.jpg")


def test_what_is_learned_of_the_event_decides_all_photos_anew(race: RaceWithPage) -> None:
    for number in range(3):
        race.read(f"{number}.jpg", reading("2025"), reading("2419"))
    says(race, "/bibs", "2 bibs seen")
    race.store.events.keep(Event(years=frozenset({"2025"})).as_json())
    says(race, "/bibs", "1 bib seen")


def test_a_change_wakes_every_page_that_is_open(race: RaceWithPage) -> None:
    with race.stream() as one, race.stream() as other:
        for stream in (one, other):
            said = b""
            while b"data:" not in said:
                said += stream.recv(4096)
        race.read("a.jpg", "2419")
        for stream in (one, other):
            assert b"data:" in stream.recv(4096)


def test_people_are_found_by_bib_by_its_beginning_and_by_name(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    race = open_page(more="targets: [2419, 17]\nstart_list: list.csv")
    race.read("a.jpg", "2419")
    race.read("b.jpg", "2419", "18")
    race.start()
    says(race, "/bibs", "2 bibs seen")
    found = race.get("/find?q=muller+zoe").text
    assert "2419 Zoë Müller wanted 2 photos" in found
    assert str(race.config.links.root / "2419") in race.get("/find?q=2419").body.decode()
    assert "Several fit: 17 0 photos Ben Bo 18 1 photo Ben Lee" in race.get("/find?q=ben").text
    assert "2419 Zoë Müller wanted 2 photos" in race.get("/find?q=24").text
    assert "No photo shows 17 yet" in race.get("/find?q=17").text
    assert "copy" not in race.get("/find?q=18").body.decode()  # no target, so it has no folder
    bibs = race.get("/bibs").text
    assert "Wanted, and not seen yet 17 0 photos Ben Bo" in bibs
    assert "2419 wanted 2 photos Zoë Müller" in bibs


def test_photos_that_only_may_show_a_bib_stand_apart(race: RaceWithPage) -> None:
    race.read("sure.jpg", "2419")
    race.read("perhaps.jpg", reading("2419", 0.6))
    says(race, "/find?q=2419", "1 photo, and 1 that may show it")
    page = race.get("/find?q=2419").text
    assert page.index("sure.jpg") < page.index("May show 2419") < page.index("perhaps.jpg")


def test_many_photos_of_a_bib_come_page_by_page(race: RaceWithPage) -> None:
    for number in range(PHOTOS_AT_ONCE + 1):
        race.read(f"{number:03}.jpg", "2419")
    says(race, "/find?q=2419", f"{PHOTOS_AT_ONCE + 1} photos")
    assert f"{PHOTOS_AT_ONCE:03}.jpg" in race.get("/find?q=2419&page=99").text
    assert race.get("/find?q=2419").body.count(b'class="card"') == PHOTOS_AT_ONCE
    assert race.get("/find?q=2419&page=2").body.count(b'class="card"') == 1


def test_photos_are_turned_over_as_they_were_read_or_among_those_of_a_bib(race: RaceWithPage) -> None:
    one, two, three = (race.read(f"{name}.jpg", *bibs) for name, bibs in (("c", "7"), ("b", "8"), ("a", "7")))
    says(race, "/", "8 b.jpg")
    says(race, "/", "7 a.jpg")
    page = race.get(f"/photo/{two}").body.decode()
    assert f'id="before" data-goes rel="prev" href="/photo/{one}"' in page
    assert f'id="after" data-goes rel="next" href="/photo/{three}"' in page
    among = race.get(f"/photo/{three}?bib=7").body.decode()
    assert ('id="before"' in among, f'id="after" data-goes rel="next" href="/photo/{one}?bib=7"' in among) == (
        False,
        True,
    )


def test_the_review_goes_from_the_most_useful_doubt_to_photos_without_a_bib(open_page: OpenPage) -> None:
    race = open_page(more="targets: [2419]")
    nothing = race.read("nothing.jpg")
    other = race.read("other.jpg", reading("3071", 0.7))
    target = race.read("target.jpg", "17", reading("2419", 0.6))
    race.start()
    says(race, "/review", "3 left: 1 for a target, 1 doubtful, 1 without a bib")
    first = race.get("/review")
    assert "Is this 2419?" in first.text
    assert "Surely: 17" in first.text
    accepted = race.post(f"/photo/{target}/say", form_of(first, "2419"))
    assert race.bibs(target) == ["17", "2419"]
    second = race.get(accepted.headers["location"])
    assert "2 left" in second.text
    assert "Is this 3071?" in second.text
    third = race.get(skip_of(second))
    assert "No bib was found" in third.text
    last = race.post(f"/photo/{nothing}/say", form_of(third, ""))
    assert "That was the last one" in race.get(last.headers["location"]).text
    race.post(f"/photo/{other}/say", [("do", "set"), ("bibs", "3077")])
    assert "Nothing is left to review" in race.get("/review").text


def form_of(page: Answer, typed: str) -> list[tuple[str, str]]:
    """What a browser sends of the form for corrections, with this in its box."""
    form = page.body.decode().split('<form class="say"')[1].split("</form>")[0]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return [*((name, unescape(value)) for name, value in hidden), ("bibs", typed)]


def skip_of(page: Answer) -> str:
    found = re.search(r'id="after" data-goes href="([^"]*)"', page.body.decode())
    assert found is not None
    return found[1]


def test_what_somebody_says_of_a_whole_photo_takes_nothing_away_that_they_have_not_seen(race: RaceWithPage) -> None:
    photo_id = race.read("a.jpg", "17", reading("2419", 0.6))
    says(race, "/review", "Is this 2419?")
    review, photo = race.get("/review"), race.get(f"/photo/{photo_id}")
    race.post(f"/photo/{photo_id}/say", [("do", "add"), ("bibs", "3071")])
    for form in (form_of(review, "2419"), [*form_of(photo, "5"), ("do", "set")]):
        refused = race.post(f"/photo/{photo_id}/say", form)
        assert (refused.status, "look again" in refused.text) == (409, True)
    assert race.bibs(photo_id) == ["17", "3071"]
    race.post(f"/photo/{photo_id}/say", form_of(race.get("/review"), "2419"))
    assert race.bibs(photo_id) == ["17", "2419", "3071"]
    assert race.post(f"/photo/{photo_id}/say", [("do", "set"), ("bibs", "")]).status == 422


def test_a_target_in_small_letters_is_found_however_it_is_typed(open_page: OpenPage) -> None:
    race = open_page(more="targets: [a7]")
    race.read("a.jpg", "A7")
    race.start()
    says(race, "/bibs", "a7 wanted 1 photo")
    for typed in ("a7", "A7", "a"):
        assert "a7 wanted 1 photo" in race.get(f"/find?q={typed}").text
    assert race.get("/zip?bib=A7").status == 200


def test_a_photo_under_review_that_somebody_else_settles_says_so(race: RaceWithPage) -> None:
    photo_id = race.read("a.jpg", reading("2419", 0.6))
    says(race, "/review", "Is this 2419?")
    race.post(f"/photo/{photo_id}/say", [("do", "set"), ("bibs", "2419")])
    assert "Somebody has dealt with this photo" in race.get(f"/review?photo={photo_id}").text


def test_a_bibs_photos_come_as_one_archive_with_what_could_not_be_read_named_in_it(race: RaceWithPage) -> None:
    for name in ("cam1/a.jpg", "cam2/a.jpg", "gone.jpg", "weird\udcff.jpg"):
        race.read(name, "2419")
    says(race, "/find?q=2419", "4 photos")
    (race.incoming / "gone.jpg").unlink()
    answer = race.get("/zip?bib=2419")
    assert (answer.headers["content-type"], "2419.zip" in answer.headers["content-disposition"]) == (
        "application/zip",
        True,
    )
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names)) == 4
        assert [name for name in names if name.endswith(".jpg")] == ["a.jpg", names[1], "weird\\xff.jpg"]
        assert archive.read("a.jpg") == (race.incoming / "cam1/a.jpg").read_bytes()
        assert b"gone.jpg: the file is gone" in archive.read(LEFT_OUT)
    assert race.get("/zip?bib=nobody").status == 404


def test_small_pictures_are_upright_small_and_made_once(race: RaceWithPage) -> None:
    picture = Image.new("RGB", (3000, 2000), "red")
    picture.paste("blue", (0, 0, 3000, 200))
    exif = picture.getexif()
    exif[0x0112] = 6  # stored on its side: what is on top in the file is on the right
    picture.save(race.incoming / "a.jpg", exif=exif)
    photo_id = race.read("a.jpg", "2419")
    for kind, size in (("small", (320, 480)), ("large", (1365, 2048))):
        answer = race.get(f"/photo/{photo_id}/{kind}")
        with Image.open(io.BytesIO(answer.body)) as shown:
            assert (shown.size, answer.headers["content-type"]) == (size, "image/jpeg")
            red, _, blue = shown.convert("RGB").getpixel((size[0] - 10, size[1] // 2))  # type: ignore[misc]
            assert blue > red
    kept = sorted((race.folder / "bibwatch.db.pictures").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(b"from the cache")
    assert b"from the cache" in {race.get(f"/photo/{photo_id}/{kind}").body for kind in ("small", "large")}
    assert race.get(f"/photo/{photo_id}/original").body == (race.incoming / "a.jpg").read_bytes()


def test_a_photo_that_is_damaged_or_gone_has_no_picture_and_the_others_do(race: RaceWithPage) -> None:
    (race.incoming / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    bad, gone, good = race.read("bad.jpg", "1"), race.read("gone.jpg", "2"), race.read("good.jpg", "3")
    (race.incoming / "gone.jpg").unlink()
    assert [race.get(f"/photo/{one}/small").status for one in (bad, gone, good)] == [410, 410, 200]


def test_a_photo_of_any_date_fits_into_an_archive(tmp_path: Path) -> None:
    photos = [Photo(tmp_path / f"{number}.jpg", 1, int(at * 1e9)) for number, at in enumerate((-1e12, 0, 1.8e9, 9e12))]
    with zipfile.ZipFile(io.BytesIO(b"".join(archive(photos, lambda photo: b"x")))) as file:
        assert [info.date_time[0] for info in file.infolist()] == [1980, 1980, 2027, 2106]
