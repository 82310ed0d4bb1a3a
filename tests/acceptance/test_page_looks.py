"""What every view looks like, wide and narrow, light and dark: nothing sticks out, and everybody can use it.

The pictures are kept in build/page; `make pictures` takes those of the README from there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page is looked at by Playwright, which is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from bibwatch.draw import bib_numbers, draw_event
from tests.browsing import Visitor
from tests.support import Race

PICTURES = Path(__file__).resolve().parents[2] / "build" / "page"
NAMES = ("Ann Lee", "Ben Bo", "Zoë Müller", "Ida Sol", "Jan de Wit", "Eva Ruiz", "Lou Marie Ferrand-Castelnau")
SIZES = {"wide": (1440, 900), "narrow": (360, 740)}
PHOTOS = 14


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    made = Race(tmp_path_factory.mktemp("looks") / "race")
    bibs = bib_numbers(8, seed=2026)
    rows = [f"{bib},{name}" for bib, name in zip(bibs, NAMES, strict=False)]  # the last one is on no list: a doubt
    (made.folder / "list.csv").write_text("\n".join(["bib,name", *rows, "9999,Nobody Yet"]))
    web = "web: {listen: '127.0.0.1:0'}"
    made.configure(f"[{bibs[0]}, {bibs[1]}, {bibs[2]}, 9999]", f"start_list: list.csv\n{web}\n")
    for number, (image, _) in enumerate(draw_event(bibs, PHOTOS, (1200, 800), seed=5), start=1):
        image.save(made.incoming / f"IMG_{number:04}.JPG", quality=90)
    (made.incoming / "IMG_0099.JPG").write_bytes(b"no picture")
    made.start()
    made.until(lambda: made.status()["queue"]["done"] == PHOTOS, "all photos are read")
    yield made
    made.kill()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", ["now", "find", "photo", "review", "bibs"])
def test_a_view_fits_and_can_be_used_by_everybody(
    race: Race, browser: Browser, view: str, size: str, scheme: str
) -> None:
    bib = bib_numbers(8, seed=2026)[1]
    paths = {"now": "/", "find": f"/find?q={bib}", "photo": "/photo/2", "review": "/review", "bibs": "/bibs"}
    width, height = SIZES[size]
    visitor = Visitor(
        browser,
        race.status()["page"],
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = visitor.open(paths[view])
    expect(page.locator("main")).to_be_visible()
    for picture in page.locator("main img").all()[:12]:
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("one => one.naturalWidth") > 0
    page.evaluate("scrollTo(0, 0)")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{view}-{size}-{scheme}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert visitor.troubles == []
    visitor.context.close()
