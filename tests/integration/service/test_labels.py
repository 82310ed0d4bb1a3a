"""The notebook's CSV into the database and out of it, on real photos and a real database."""

import hashlib
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from bibwatch.config import Config, load_config
from bibwatch.errors import BibwatchError, CouldNotStart
from bibwatch.read.dossard.square import Square
from bibwatch.read.ppocr.models import fingerprint
from bibwatch.service.labels import Imported, export_labels, import_labels
from bibwatch.service.linking import relink_once
from bibwatch.store.lock import ServiceLock
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Photo, Reading
from tests.support import draw_photo, photos_of

HEADER = "image_name,bbox,bbox_score,ocr_text,ocr_score\n"
ENGINE = fingerprint("balanced")  # the config's own


class Race:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.csv = folder / "labels.csv"
        self.incoming.mkdir()
        (folder / "config.yaml").write_text("watch: [{path: incoming}]\ntargets: all\n")

    @property
    def config(self) -> Config:
        return load_config(self.folder / "config.yaml")

    def import_rows(self, *rows: str, replace: bool = False) -> Imported:
        self.csv.write_text(HEADER + "".join(row + "\n" for row in rows))
        return import_labels(self.config, self.csv, lambda done, total: None, replace=replace)

    def links(self) -> list[str]:
        relink_once(self.config, dry_run=False)
        return sorted(str(link.relative_to(self.folder / "bibs")) for link in self.folder.glob("bibs/*/*"))

    def exported(self) -> list[str]:
        export_labels(self.config, self.folder / "out.csv")
        return (self.folder / "out.csv").read_text().splitlines()[1:]

    def read_by_engine(self, name: str, *readings: Reading, engine: str = ENGINE) -> None:
        """As the service would store it."""
        photo = self.incoming / name
        status = photo.stat()
        with closing(Store.open(self.folder / "bibwatch.db")) as store:
            store.queue.add([Photo(photo, status.st_size, status.st_mtime_ns)], time.time())
            [job] = store.queue.claim(time.time(), most=1)
            content = hashlib.sha256(photo.read_bytes()).digest()
            store.readings.finish([(job, Seen(content, engine, readings, 480, 360, 0.1))], time.time())

    def counts(self) -> dict[str, int]:
        with closing(Store.open(self.folder / "bibwatch.db")) as store:
            store.queue.wait_for_engine("another:2", time.time())
            return store.queue.counts()


@pytest.fixture
def race(tmp_path: Path) -> Race:
    return Race(tmp_path)


def test_imported_rows_link_and_are_never_read_by_an_engine(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    draw_photo(race.incoming / "cam1" / "b.jpg", "3071")
    imported = race.import_rows(
        'a.jpg,"[100, 200, 300, 400]",0.9,2419,0.8',
        'a.jpg,"[100, 200, 300, 400]",0.9,0042,0.7',
        'b.jpg,"[1, 200, 30, 400]",0.9,3071,0.8',
    )
    assert (imported.rows, imported.kept, imported.photos, imported.unnamed, imported.problems) == (3, 3, 2, 0, [])
    assert race.links() == ["0042/a.jpg", "2419/a.jpg", "3071/b.jpg"]
    assert race.counts() == {"waiting": 0, "reading": 0, "done": 2, "failed": 0}


def test_an_import_again_replaces_and_doubles_nothing(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    row = 'a.jpg,"[100, 200, 300, 400]",0.9,2419,0.8'
    for _ in range(2):
        race.import_rows(row)
        assert race.exported() == [row]
    race.import_rows(row.replace("2419", "7"))
    assert race.links() == ["7/a.jpg"]


def test_rows_that_name_no_photo_or_several_are_reported_with_their_lines(race: Race) -> None:
    for place in ("cam1/IMG.jpg", "cam2/IMG.jpg"):
        draw_photo(race.incoming / place, "2419", seed=len(place) + ord(place[3]))
    draw_photo(race.incoming / "other.jpg", "5")
    (race.incoming / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    imported = race.import_rows(
        'gone.jpg,"[1, 2, 3, 4]",0.9,1,0.8',
        'IMG.jpg,"[1, 2, 3, 4]",0.9,2,0.8',
        'gone.jpg,"[1, 2, 3, 4]",0.9,3,0.8',
        'cam2/IMG.jpg,"[1, 200, 300, 400]",0.9,4,0.8',
        'cut.jpg,"[1, 2, 3, 4]",0.9,5,0.8',
        'other.jpg,"[1, 2, 3, 4]",0.9,x,0.8',
    )
    bad, gone, several, cut = imported.problems
    assert "line 7: ocr_text 'x'" in bad
    assert "lines 2, 4: gone.jpg: no photo of this name" in gone
    assert "line 3: IMG.jpg: several photos have this name" in several
    assert str(race.incoming / "cam1" / "IMG.jpg") in several
    assert "line 6" in cut
    assert "is damaged" in cut or "ends early" in cut
    assert (imported.rows, imported.kept, imported.photos, imported.unnamed) == (6, 1, 1, 3)
    assert race.links() == ["4/IMG.jpg"]


def test_one_photo_may_be_named_in_two_ways(race: Race) -> None:
    draw_photo(race.incoming / "cam1" / "a.jpg", "2419")
    box = '"[100, 200, 300, 400]",0.9'
    imported = race.import_rows(f"a.jpg,{box},2419,0.8", f"cam1/a.jpg,{box},7,0.8")
    assert (imported.kept, imported.photos) == (2, 1)
    assert race.links() == ["2419/a.jpg", "7/a.jpg"]


def test_several_files_add_up_until_one_replaces_them_all(race: Race) -> None:
    for name in ("a.jpg", "b.jpg"):
        draw_photo(race.incoming / name, "2419", seed=ord(name[0]))
    box = '"[100, 200, 300, 400]",0.9'
    race.import_rows(f"a.jpg,{box},1,0.8")
    race.import_rows(f"b.jpg,{box},2,0.8")
    assert race.links() == ["1/a.jpg", "2/b.jpg"]
    race.import_rows(f"b.jpg,{box},3,0.8", replace=True)
    assert race.links() == ["3/b.jpg"]
    assert race.counts() == {"waiting": 1, "reading": 0, "done": 1, "failed": 0}  # an engine may read a.jpg now
    race.import_rows(replace=True)
    assert race.links() == []
    assert race.counts()["waiting"] == 2


def test_a_file_of_which_nothing_can_be_taken_replaces_nothing(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    race.import_rows('a.jpg,"[100, 200, 300, 400]",0.9,1,0.8')
    with pytest.raises(BibwatchError, match=r"nothing is replaced.*line 2: gone.jpg: no photo of this name"):
        race.import_rows('gone.jpg,"[100, 200, 300, 400]",0.9,2,0.8', replace=True)
    assert race.links() == ["1/a.jpg"]


def test_where_the_weights_are_away_the_engine_last_in_force_is_asked(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    for engine, bib in (("dossard:1", "111"), ("ppocr:2", "999")):
        race.read_by_engine("a.jpg", Reading(bib, 0.9, Box(0, 0, 9, 9), 0.9, engine), engine=engine)
    (race.folder / "config.yaml").write_text(
        "watch: [{path: incoming}]\ntargets: all\nreader: {dossard: {weights: unplugged.pt}}\n"
    )
    config = load_config(race.folder / "config.yaml", need_engine=False)
    assert photos_of(config, "999") == ["a.jpg"]  # what was read last
    with closing(Store.open(race.folder / "bibwatch.db")) as store:
        store.pulse.beat({"engine": "dossard:1"}, time.time())
    assert photos_of(config, "111") == ["a.jpg"]
    assert photos_of(config, "999") == []


def test_boxes_come_to_lie_in_the_upright_photo(race: Race) -> None:
    picture = Image.new("RGB", (600, 400))
    exif = picture.getexif()
    exif[0x0112] = 6  # stored on its side: upright it is 400 x 600
    picture.save(race.incoming / "a.jpg", exif=exif)
    race.import_rows('a.jpg,"[200, 0, 400, 500]",0.9,2419,0.8')
    with closing(Store.open_read_only(race.folder / "bibwatch.db")) as store:
        [photo] = store.readings.read_photos(ENGINE)
    assert (photo.width, photo.height) == (400, 600)
    assert photo.readings[0].box == Box(20, 0, 140, 300)
    assert photo.readings[0].square_box == Box(200, 0, 400, 500)


def test_copies_of_one_photo_hold_what_is_said_of_each(race: Race) -> None:
    photo = draw_photo(race.incoming / "a.jpg", "2419")
    (race.incoming / "b.jpg").write_bytes(photo.read_bytes())
    box = '"[100, 200, 300, 400]",0.9'
    race.import_rows(f"a.jpg,{box},2419,0.8", f"b.jpg,{box},2419,0.8", f"b.jpg,{box},7,0.8")
    assert race.links() == ["2419/a.jpg", "2419/b.jpg", "7/a.jpg", "7/b.jpg"]


def test_an_import_wins_over_what_an_engine_read_before_it(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    race.read_by_engine("a.jpg", Reading("1111", 0.9, Box(0, 0, 9, 9), 0.9, ENGINE))
    assert photos_of(race.config, "1111") == ["a.jpg"]
    race.import_rows('a.jpg,"[100, 200, 300, 400]",0.9,2419,0.8')
    assert photos_of(race.config, "1111") == []
    assert photos_of(race.config, "2419") == ["a.jpg"]


def test_readings_of_any_engine_are_exported_in_the_notebooks_square(race: Race) -> None:
    draw_photo(race.incoming / "a.jpg", "2419")
    square = Box(7, 8, 90, 91)
    race.read_by_engine(
        "a.jpg",
        Reading(" 2419", 0.9, Box(48, 0, 96, 36), 0.75, ENGINE),
        Reading("7", 0.5, Box(1, 1, 9, 9), 0.25, ENGINE, square),
        Reading("12:30", 0.9, Box(0, 0, 9, 9), 0.9, ENGINE),
    )
    assert race.exported() == ['a.jpg,"[100, 125, 200, 200]",0.75,2419,0.9', 'a.jpg,"[7, 8, 90, 91]",0.25,7,0.5']


def test_a_narrow_box_and_a_name_that_another_photo_shares_come_back(race: Race) -> None:
    for camera in ("cam1", "cam2"):
        draw_photo(race.incoming / camera / "a.jpg", "2419", seed=ord(camera[3]))
    race.read_by_engine("cam1/a.jpg", Reading("1", 0.9, Box(0, 0, 480, 360), 0.5, ENGINE))
    with closing(Store.open(race.folder / "bibwatch.db")) as store:
        store.queue.add([Photo(race.incoming / "cam2" / "a.jpg", 1, 1)], time.time())
    assert race.exported() == ['cam1/a.jpg,"[0, 125, 1000, 875]",0.5,1,0.9']
    assert Square(6000, 4000, 1000).from_photo(Box(1201, 9, 1205, 10)) == Box(200, 168, 201, 169)


def test_an_exported_file_can_be_imported_elsewhere(race: Race, tmp_path: Path) -> None:
    for camera in ("cam1", "cam2"):
        draw_photo(race.incoming / camera / "a.jpg", "2419", seed=ord(camera[3]))
    rows = [f'cam{n}/a.jpg,"[100, 200, 300, 40{n}]",0.9,241{n},0.8' for n in (1, 2)]
    race.import_rows(*rows)
    exported = race.exported()
    assert exported == rows
    (race.folder / "bibwatch.db").unlink()
    race.import_rows(*exported)
    assert race.exported() == rows


def test_a_running_service_must_be_stopped_before_an_import(race: Race) -> None:
    lock = ServiceLock(race.folder / "bibwatch.db")
    lock.take()
    with pytest.raises(CouldNotStart, match="stop it first"):
        race.import_rows()
    lock.release()


def test_an_export_that_cannot_be_written_leaves_nothing(race: Race) -> None:
    race.import_rows()
    with pytest.raises(BibwatchError, match="cannot be written"):
        export_labels(race.config, race.folder / "none" / "out.csv")
    assert not (race.folder / "none").exists()
