"""The page in a real browser over the real service."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page is looked at by Playwright, which is not installed")

from playwright.sync_api import Browser, Page, expect

from tests.browsing import Visitor
from tests.support import Race, draw_photo, free_port

LIST = "bib,name\n2419,Zoë Müller\n55,Ben Bo\n808,Ann Lee\n"
EVIL = "<img src=x onerror=document.title='caught'>.jpg"

Visit = Callable[[], Visitor]


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Race]:
    made = Race(tmp_path_factory.mktemp("page") / "race")
    (made.folder / "list.csv").write_text(LIST)
    made.configure("[2419, 55, 808]", f"start_list: list.csv\nweb: {{listen: '127.0.0.1:{free_port()}'}}\n")
    made.start()
    made.until(lambda: made.status()["page"], "the page is there")
    yield made
    if made.process is not None:
        made.kill()


@pytest.fixture
def visit(race: Race, browser: Browser) -> Iterator[Visit]:
    """Opens a browser for one more person; at the end none of them had any trouble."""
    visitors: list[Visitor] = []

    def one_more() -> Visitor:
        race.until(lambda: race.status()["page"], "the page is there")
        visitors.append(Visitor(browser, race.status()["page"]))
        return visitors[-1]

    yield one_more
    for visitor in visitors:
        visitor.context.close()
        assert visitor.troubles == []


def card(page: Page, name: str):  # type: ignore[no-untyped-def]
    """The one in the grid that shows a photo."""
    return page.locator(".card", has_text=name)


def go_to(page: Page, name: str) -> None:
    """From a grid to a photo, until that page takes keys."""
    card(page, name).locator("a").click()
    page.wait_for_url("**/photo/**")
    page.wait_for_load_state()


def drop(race: Race, name: str, *bibs: str) -> Path:
    """A photo of a content of its own arrives in one move."""
    drawn = draw_photo(race.folder / "drawn.jpg", *bibs, seed=7)
    with drawn.open("ab") as file:
        file.write(name.encode())
    return drawn.rename(race.incoming / name)


def test_a_photo_dropped_in_appears_with_its_number_on_it_without_a_reload(race: Race, visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/")
    drop(race, "dropped.jpg", "2419")
    expect(card(page, "dropped.jpg")).to_be_visible()
    expect(card(page, "dropped.jpg").locator("svg text")).to_have_text("2419")
    picture = card(page, "dropped.jpg").locator("img")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("one => one.naturalWidth") > 0
    assert visitor.is_untouched


def test_the_large_picture_of_a_photo_has_boxes_with_scores(race: Race, visit: Visit) -> None:
    drop(race, "scored.jpg", "2419")
    page = visit().open("/")
    go_to(page, "scored.jpg")
    expect(page.locator(".large svg rect")).to_have_count(1)
    expect(page.locator(".large svg text")).to_have_text(re.compile(r"^2419\s*[01]\.\d\d$"))


def test_photos_appear_while_somebody_types_a_bib_or_a_name(race: Race, visit: Visit) -> None:
    drop(race, "typed.jpg", "808")
    visitor = visit()
    page = visitor.open("/find")
    box = page.get_by_role("searchbox")
    expect(box).to_be_focused()
    page.keyboard.type("80")
    expect(page.locator("h1")).to_contain_text("808 Ann Lee")
    expect(card(page, "typed.jpg")).to_be_visible()
    box.fill("ann")
    expect(card(page, "typed.jpg")).to_be_visible()
    box.fill("nobody")
    expect(page.locator("#found")).to_contain_text("Nothing fits nobody")
    assert page.url.endswith("/find?q=nobody")
    box.fill("55")
    expect(page.locator("#found")).to_contain_text("No photo shows 55 yet")
    drop(race, "later.jpg", "55")
    expect(card(page, "later.jpg")).to_be_visible()
    expect(box).to_have_value("55")
    assert visitor.is_untouched


def test_a_bibs_photos_are_downloaded_and_its_folder_is_copied(race: Race, visit: Visit) -> None:
    drop(race, "archived.jpg", "808")
    visitor = visit()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open("/find?q=808")
    expect(card(page, "archived.jpg")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_text("Download as ZIP").click()
    assert download.value.suggested_filename == "808.zip"
    page.get_by_role("button", name="Copy path").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == str(race.bibs / "808")


def test_a_correction_by_keyboard_moves_the_link_on_disk(race: Race, visit: Visit) -> None:
    drop(race, "mended.jpg", "2419")
    race.until(lambda: "2419/mended.jpg" in race.links(), "the photo is linked")
    visitor = visit()
    page = visitor.open("/find?q=2419")
    go_to(page, "mended.jpg")
    shows = page.locator("#bibs")
    expect(shows).to_contain_text("2419")
    page.evaluate("window.untouched = true")
    page.keyboard.type("808")
    page.keyboard.press("Shift+Enter")
    expect(shows).to_have_text(re.compile(r"^\s*808\s*×\s*$"))
    race.until(lambda: {"808/mended.jpg"} == {link for link in race.links() if "mended" in link}, "the link has moved")
    page.keyboard.type("55")
    page.keyboard.press("Enter")
    race.until(lambda: "55/mended.jpg" in race.links(), "there is one more link")
    expect(page.locator("#story")).to_contain_text(str(race.bibs / "55" / "mended.jpg"))
    page.get_by_role("button", name="Remove 808").click()
    race.until(lambda: "808/mended.jpg" not in race.links(), "the link is gone")
    for _ in range(3):
        expect(page.locator("#typed")).to_have_value("")
        page.locator("main").press("u")
        page.wait_for_timeout(200)
    race.until(lambda: {"2419/mended.jpg"} == {link for link in race.links() if "mended" in link}, "all is as before")
    expect(shows).to_contain_text("2419")
    page.locator("#typed").fill("../x")
    page.locator("#typed").press("Enter")
    expect(page.get_by_role("alert").filter(has_text="is no bib")).to_be_visible()
    assert visitor.is_untouched
    visitor.troubles = [one for one in visitor.troubles if "422" not in one]  # the browser tells of each refusal


def test_doubts_are_reviewed_by_keyboard_until_none_is_left(race: Race, visit: Visit) -> None:
    for name, bib in (("doubt1.jpg", "3071"), ("doubt2.jpg", "4522")):  # nobody on the start list
        drop(race, name, bib)
    drop(race, "empty.jpg")
    page = visit().open("/review")
    left = page.locator("#left b")
    expect(left).to_have_text("3")
    page.reload()
    expect(page.locator("#typed")).to_be_focused()
    proposed = page.locator("#typed").input_value()
    assert proposed in ("3071", "4522")
    page.keyboard.press("Enter")
    expect(left).to_have_text("2")
    expect(page.locator("#typed")).not_to_have_value(proposed)
    page.keyboard.press("Escape")
    expect(page.get_by_text("No bib was found")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("That was the last one")).to_be_visible()
    page.get_by_role("link", name="Begin again").click()
    expect(page.locator("#typed")).to_be_focused()
    page.keyboard.type("55")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is left to review")).to_be_visible()
    race.until(lambda: any(link.startswith("55/doubt") for link in race.links()), "what was typed is linked")


def test_two_browsers_see_each_others_corrections(race: Race, visit: Visit) -> None:
    drop(race, "both.jpg", "2419")
    one, other = visit(), visit()
    for visitor in (one, other):
        visitor.open("/find?q=2419")
        go_to(visitor.page, "both.jpg")
        expect(visitor.page.locator("#bibs")).to_contain_text("2419")
        visitor.page.evaluate("window.untouched = true")
    other.page.locator("#typed").fill("4")  # somebody is typing
    one.page.locator("#typed").fill("808")
    one.page.locator("#typed").press("Enter")
    expect(other.page.locator("#bibs")).to_contain_text("808")
    expect(other.page.locator("#typed")).to_have_value("4")
    assert other.is_untouched


def test_the_page_finds_the_service_again_by_itself(race: Race, visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/")
    expect(page.locator("#lost")).to_be_hidden()
    race.stop()
    expect(page.locator("#lost")).to_be_visible()
    drop(race, "meanwhile.jpg", "2419")
    race.start()
    expect(card(page, "meanwhile.jpg")).to_be_visible()
    expect(page.locator("#lost")).to_be_hidden()
    assert visitor.is_untouched
    visitor.troubles = [one for one in visitor.troubles if "net::ERR_" not in one]


def test_a_photo_with_a_script_for_a_name_is_a_photo_with_a_name(race: Race, visit: Visit) -> None:
    drop(race, EVIL, "2419")
    visitor = visit()
    page = visitor.open("/find?q=2419")
    expect(card(page, EVIL)).to_be_visible()
    go_to(page, EVIL)
    expect(page.locator("h1")).to_have_text(EVIL)
    assert page.title() == f"{EVIL} · bibwatch"


def test_what_is_looked_at_by_keyboard_stays_so_while_photos_come(race: Race, visit: Visit) -> None:
    drop(race, "held.jpg", "2419")
    page = visit().open("/")
    held = card(page, "held.jpg").locator("a")
    held.focus()
    drop(race, "next.jpg", "2419")
    expect(card(page, "next.jpg")).to_be_visible()
    expect(held).to_be_focused()


def test_tabs_that_nobody_looks_at_keep_no_connection(race: Race, visit: Visit) -> None:
    visitor = visit()
    visitor.open("/")
    for _ in range(8):  # browsers have six connections to one page
        tab = visitor.context.new_page()
        tab.goto(visitor.address + "/bibs")
        expect(tab.locator("h1")).to_contain_text("seen")
        tab.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_photos_are_turned_over_by_arrow_and_a_stroke_leads_to_the_search(race: Race, visit: Visit) -> None:
    for name in ("turn1.jpg", "turn2.jpg"):
        drop(race, name, "808")
        race.until(lambda name=name: f"808/{name}" in race.links(), "the photo is linked")
    page = visit().open("/find?q=808")
    go_to(page, "turn1.jpg")
    page.keyboard.press("ArrowRight")
    expect(page.locator("h1")).to_have_text("turn2.jpg")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("h1")).to_have_text("turn1.jpg")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
