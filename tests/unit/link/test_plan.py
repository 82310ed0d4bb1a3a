from pathlib import Path

from bibwatch.link.plan import Layout, link_for, plan

ROOT = Path("/race/bibs")
PHOTO = Path("/race/incoming/a.jpg")
RELATIVE = Layout(ROOT, "symlink", relative=True)
ABSOLUTE = Layout(ROOT, "symlink", relative=False)
WANTED = {Path("7/a.jpg"): PHOTO}


def test_a_relative_link_leads_from_its_folder_to_the_photo() -> None:
    assert link_for(ROOT / "7/a.jpg", PHOTO, RELATIVE).text == "../../incoming/a.jpg"
    assert link_for(ROOT / "7/a.jpg", PHOTO, ABSOLUTE).text == "/race/incoming/a.jpg"


def test_what_is_wanted_and_not_owned_is_made() -> None:
    assert [link.path for link in plan(WANTED, {}, RELATIVE).make] == [ROOT / "7/a.jpg"]


def test_what_is_owned_as_wanted_is_kept() -> None:
    link = link_for(ROOT / "7/a.jpg", PHOTO, RELATIVE)
    result = plan(WANTED, {link.path: link}, RELATIVE)
    assert (result.keep, result.make, result.replace, result.remove) == ((link,), (), (), ())


def test_what_is_owned_otherwise_is_replaced() -> None:
    link = link_for(ROOT / "7/a.jpg", PHOTO, RELATIVE)
    assert plan(WANTED, {link.path: link}, ABSOLUTE).replace[0][0] == link
    assert plan(WANTED, {link.path: link}, Layout(ROOT, "copy", relative=True)).replace[0][1].mode == "copy"


def test_what_is_owned_and_not_wanted_is_removed_also_below_another_root() -> None:
    old = link_for(Path("/old/bibs/7/a.jpg"), PHOTO, RELATIVE)
    result = plan(WANTED, {old.path: old}, RELATIVE)
    assert result.remove == (old,)
    assert len(result.make) == 1
