"""One database, several engines: each reads what it has not read, and every one's readings stay."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.config import load_config
from bibwatch.service.life import Service
from bibwatch.service.scan import Scan, Summary
from bibwatch.store.schema import open_read_only
from tests import engines
from tests.support import draw_photo


class Race:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        (folder / "incoming").mkdir()

    def configure(self, more: str = "") -> None:
        self.config.write_text(f"watch: [{{path: incoming}}]\ntargets: all\nphotos: {{settle_s: 0.1}}\n{more}")

    def scan(self, reader: str) -> Summary:
        self.config.write_text(
            f"watch: [{{path: incoming}}]\ntargets: all\nreader: {reader}\nphotos: {{settle_s: 0.1}}\n"
        )
        service = Service(load_config(self.config))
        scan = Scan(service)
        with service:
            for _ in scan.progress():
                pass
            return scan.summary()

    def reads(self) -> Counter[str]:
        """Engine -> contents that it has read."""
        sql = "SELECT fingerprint FROM reads JOIN engines ON engines.id = engine_id"
        with closing(open_read_only(self.folder / "bibwatch.db")) as database:
            return Counter(row["fingerprint"].partition(":")[0] for row in database.execute(sql))

    def bibs(self) -> dict[str, set[str]]:
        return {folder.name: {link.name for link in folder.iterdir()} for folder in (self.folder / "bibs").iterdir()}


@pytest.fixture
def race(tmp_path: Path) -> Race:
    return Race(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_switch_of_engine_reads_only_what_that_engine_has_not_read(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("easyocr")
    from tests.models import easyocr_models, whole_picture_weights

    whole_picture_weights(race.folder / "mine.pt")
    easyocr_models(race.folder / "easyocr")
    monkeypatch.setattr("bibwatch.service.setup.engine.build", engines.with_checksums_aside)
    dossard = "{device: cpu, dossard: {weights: mine.pt, image_size: 64, easyocr_models: easyocr, certain_score: 0.5}}"
    for name, bib in (("a.jpg", "2419"), ("b.jpg", "3071")):
        draw_photo(race.folder / "incoming" / name, bib)

    assert race.scan("{engine: ppocr, workers: 1}").read == 2
    assert race.bibs() == {"2419": {"a.jpg"}, "3071": {"b.jpg"}}
    assert race.scan(dossard).read == 2
    assert race.bibs() == {"7": {"a.jpg", "b.jpg"}}
    assert race.reads() == {"ppocr": 2, "dossard": 2}

    draw_photo(race.folder / "incoming" / "c.jpg", "4522")
    assert race.scan("{engine: ppocr, workers: 1}").read == 1
    assert race.bibs() == {"2419": {"a.jpg"}, "3071": {"b.jpg"}, "4522": {"c.jpg"}}
    assert race.scan(dossard).read == 1
    assert race.scan(dossard).read == 0
    assert race.reads() == {"ppocr": 3, "dossard": 3}


def test_model_files_that_changed_are_followed_at_the_next_reload(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "scripted:1"
    monkeypatch.setattr("bibwatch.service.life.engine.fingerprint", lambda setup: name)
    monkeypatch.setattr("bibwatch.service.setup.engine.build", engines.scripted_as)
    draw_photo(race.folder / "incoming" / "a.jpg", "2419")
    race.configure()
    service = Service(load_config(race.config), race.config)
    with service:
        for expected in ({"scripted": 1}, {"scripted": 2}):
            while not service.rooms.idle:
                service.step()
            assert race.reads() == expected
            name = "scripted:2"
            service._reload_asked = True
            service.step()
