import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bibwatch.link.apply import Applied, LinkTree
from bibwatch.link.plan import Layout, plan
from bibwatch.store.links import LinkRecords
from bibwatch.store.schema import open_database
from bibwatch.values import LinkMode

MODES: tuple[LinkMode, ...] = ("symlink", "hardlink", "copy")


class Tree:
    """A link tree on disk with its records, brought in line with whatever is wanted next."""

    def __init__(self, folder: Path, mode: LinkMode) -> None:
        self.photos = folder / "incoming"
        self.photos.mkdir()
        self.connection = open_database(folder / "bibwatch.db")
        self.records = LinkRecords(self.connection)
        self.layout = Layout(folder / "bibs", mode, relative=True)

    def photo(self, name: str, text: str = "picture") -> Path:
        (self.photos / name).write_text(text)
        return self.photos / name

    def want(self, wanted: dict[str, Path]) -> Applied:
        todo = plan({Path(path): photo for path, photo in wanted.items()}, self.records.owned(), self.layout)
        return LinkTree(self.records).apply(todo)

    def at(self, path: str) -> Path:
        return self.layout.root / path

    def entries(self) -> set[str]:
        root = self.layout.root
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture(params=MODES)
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tree]:
    tree = Tree(tmp_path, request.param)
    yield tree
    tree.connection.close()


@pytest.fixture
def symlinks(tmp_path: Path) -> Iterator[Tree]:
    tree = Tree(tmp_path, "symlink")
    yield tree
    tree.connection.close()


def test_links_come_and_go_with_what_is_wanted(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    applied = tree.want({"7/a.jpg": a, "8/a.jpg": a})
    assert len(applied.made) == 2
    assert tree.at("7/a.jpg").read_text() == "picture"
    applied = tree.want({"8/a.jpg": a})
    assert applied.removed == (tree.at("7/a.jpg"),)
    assert not tree.at("7").exists()
    assert tree.want({}).removed == (tree.at("8/a.jpg"),)
    assert tree.entries() == set()
    assert a.read_text() == "picture"


def test_nothing_changes_where_all_is_as_wanted(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    before = tree.at("7/a.jpg").lstat()
    applied = tree.want({"7/a.jpg": a})
    assert (applied.made, applied.removed, applied.troubles) == ((), (), {})
    assert tree.at("7/a.jpg").lstat() == before


def test_a_link_that_somebody_deleted_is_made_again(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    tree.at("7/a.jpg").unlink()
    tree.at("7").rmdir()
    assert tree.want({"7/a.jpg": a}).made == (tree.at("7/a.jpg"),)
    assert tree.at("7/a.jpg").read_text() == "picture"


def test_a_persons_file_under_a_wanted_name_is_left_and_reported(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.at("7").mkdir(parents=True)
    tree.at("7/a.jpg").write_text("mine")
    for _ in range(2):
        troubles = tree.want({"7/a.jpg": a}).troubles
        assert "did not make" in troubles[tree.at("7/a.jpg")]
    tree.want({})
    assert tree.at("7/a.jpg").read_text() == "mine"
    assert tree.at("7").is_dir()


def test_a_file_that_a_person_put_in_place_of_a_link_survives_everything(tree: Tree) -> None:
    a, b = tree.photo("a.jpg"), tree.photo("b.jpg")
    tree.want({"7/a.jpg": a})
    tree.at("7/a.jpg").unlink()
    tree.at("7/a.jpg").write_text("mine")
    assert tree.at("7/a.jpg") in tree.want({"7/a.jpg": a}).troubles
    assert tree.at("7/a.jpg") in tree.want({"7/a.jpg": b}).troubles
    tree.want({})
    assert tree.at("7/a.jpg").read_text() == "mine"


def test_a_folder_keeps_what_a_person_put_into_it(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    tree.at("7/notes.txt").write_text("mine")
    tree.want({})
    assert tree.entries() == {"7/notes.txt"}


def test_a_folder_that_a_person_made_stays_when_it_is_empty(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.at("7").mkdir(parents=True)
    tree.want({"7/a.jpg": a})
    tree.want({})
    assert tree.at("7").is_dir()


def test_a_link_is_replaced_when_its_photo_moves(tree: Tree) -> None:
    a, b = tree.photo("a.jpg", "one"), tree.photo("b.jpg", "two")
    tree.want({"7/x.jpg": a})
    applied = tree.want({"7/x.jpg": b})
    assert applied.made == (tree.at("7/x.jpg"),)
    assert tree.at("7/x.jpg").read_text() == "two"
    assert tree.entries() == {"7/x.jpg"}
    assert a.read_text() == "one"


@pytest.mark.parametrize("other", MODES)
def test_another_mode_replaces_every_link(tree: Tree, other: LinkMode) -> None:
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    tree.layout = replace(tree.layout, mode=other)
    tree.want({"7/a.jpg": a})
    link = tree.at("7/a.jpg")
    kind = "symlink" if link.is_symlink() else "hardlink" if link.samefile(a) else "copy"
    assert kind == other
    assert tree.want({"7/a.jpg": a}).made == ()


def test_a_hardlink_or_copy_follows_a_photo_that_was_exchanged(tree: Tree) -> None:
    a = tree.photo("a.jpg", "one")
    tree.want({"7/a.jpg": a})
    tree.photo("new", "two!").replace(a)
    tree.want({"7/a.jpg": a})
    assert tree.at("7/a.jpg").read_text() == "two!"


def test_a_bib_folder_that_is_a_link_elsewhere_is_not_followed(tree: Tree, tmp_path: Path) -> None:
    a = tree.photo("a.jpg")
    (tmp_path / "elsewhere").mkdir()
    tree.layout.root.mkdir()
    tree.at("7").symlink_to(tmp_path / "elsewhere")
    assert tree.want({"7/a.jpg": a}).troubles
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_became_a_link_elsewhere_is_not_followed_to_delete(tree: Tree, tmp_path: Path) -> None:
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    tree.at("7").rename(tmp_path / "moved")
    tree.at("7").symlink_to(tmp_path / "moved")
    tree.want({})
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["a.jpg"]
    assert tree.at("7").is_symlink()


def test_the_same_link_made_by_a_person_is_no_trouble_and_stays_theirs(symlinks: Tree) -> None:
    a = symlinks.photo("a.jpg")
    symlinks.at("7").mkdir(parents=True)
    symlinks.at("7/a.jpg").symlink_to("../../incoming/a.jpg")
    assert symlinks.want({"7/a.jpg": a}).troubles == {}
    symlinks.want({})
    assert symlinks.at("7/a.jpg").is_symlink()


def test_a_crash_after_the_record_and_before_the_link_is_made_good(symlinks: Tree) -> None:
    a = symlinks.photo("a.jpg")
    todo = plan({Path("7/a.jpg"): a}, {}, symlinks.layout)
    symlinks.records.remember(todo.make)
    symlinks.want({"7/a.jpg": a})
    assert symlinks.at("7/a.jpg").is_symlink()
    assert symlinks.want({}).removed == (symlinks.at("7/a.jpg"),)


class Crash(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("other", MODES)
def test_a_crash_between_a_replacement_and_its_record_leaves_the_link_ours(
    tree: Tree, other: LinkMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = tree.photo("a.jpg", "one"), tree.photo("b.jpg", "two!")
    tree.want({"7/x.jpg": a})
    tree.layout = replace(tree.layout, mode=other)

    def crash(links: object) -> None:
        if links:
            raise Crash

    with monkeypatch.context() as power_cut, pytest.raises(Crash):
        power_cut.setattr(tree.records, "remember", crash)
        tree.want({"7/x.jpg": b})
    assert tree.want({"7/x.jpg": b}).troubles == {}
    assert tree.at("7/x.jpg").read_text() == "two!"
    assert tree.want({}).removed == (tree.at("7/x.jpg"),)
    assert tree.entries() == set()


def test_a_crash_right_after_a_link_was_made_leaves_it_ours(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    a = tree.photo("a.jpg")
    draft_of_another = tree.at("7/.bibwatch~0123456789abcdef")

    def crash(tree: LinkTree, links: object) -> None:
        raise Crash

    with monkeypatch.context() as power_cut, pytest.raises(Crash):
        power_cut.setattr(LinkTree, "_remove", lambda tree, links: None)
        power_cut.setattr(tree.records, "forget", crash.__get__(tree))
        tree.want({"7/a.jpg": a})
    draft_of_another.write_text("half a copy")
    tree.want({})
    assert not tree.at("7").exists()
    assert tree.entries() == set()


def test_a_copy_that_a_person_edited_is_not_copied_again_and_again(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "copy")
    a = tree.photo("a.jpg")
    tree.want({"7/a.jpg": a})
    tree.at("7/a.jpg").write_text("cropped by a person")
    a.rename(a.with_name("gone"))  # copying would fail with another reason than the one below
    assert "did not make" in tree.want({"7/a.jpg": a}).troubles[tree.at("7/a.jpg")]
    tree.want({})
    assert tree.at("7/a.jpg").read_text() == "cropped by a person"
    tree.connection.close()


def test_a_failed_refresh_does_not_disown_what_stands(tree: Tree) -> None:
    a = tree.photo("a.jpg", "one")
    tree.want({"7/a.jpg": a})
    a.unlink()
    a.mkdir()  # a photo that can be seen but not copied or linked
    tree.want({"7/a.jpg": a})
    a.rmdir()
    tree.photo("a.jpg", "two!")
    assert tree.want({"7/a.jpg": a}).troubles == {}
    assert tree.at("7/a.jpg").read_text() == "two!"
    tree.want({})
    assert tree.entries() == set()


def test_a_hardlink_of_the_same_file_under_another_name_is_replaced_without_a_trace(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    b = a.with_name("b.jpg")
    os.link(a, b)
    tree.want({"7/x.jpg": a})
    tree.want({"7/x.jpg": b})
    assert tree.entries() == {"7/x.jpg"}
    tree.want({})
    assert not tree.at("7").exists()


def test_a_copy_on_a_card_with_coarse_times_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copystat(source: Path, copy: Path) -> None:
        os.utime(copy, (0, source.stat().st_mtime // 2 * 2))

    monkeypatch.setattr("bibwatch.link.apply.shutil.copystat", copystat)
    tree = Tree(tmp_path, "copy")
    a = tree.photo("a.jpg")
    assert len(tree.want({"7/a.jpg": a}).made) == 1
    assert tree.want({"7/a.jpg": a}).made == ()
    tree.want({})
    assert tree.entries() == set()
    tree.connection.close()


def test_one_entry_in_trouble_does_not_stop_the_others(tree: Tree) -> None:
    a = tree.photo("a.jpg")
    tree.at("7").mkdir(parents=True)
    tree.at("7/a.jpg").write_text("mine")
    applied = tree.want({"7/a.jpg": a, "8/a.jpg": a, "9/a.jpg": a})
    assert len(applied.made) == 2
    assert list(applied.troubles) == [tree.at("7/a.jpg")]


def test_names_that_are_no_text_are_linked(tree: Tree) -> None:
    name = os.fsdecode(b"bad\xff\nname.jpg")
    odd = tree.photo(name)
    tree.want({f"7/{name}": odd})
    assert tree.at(f"7/{name}").read_text() == "picture"
    tree.want({})
    assert tree.entries() == set()
