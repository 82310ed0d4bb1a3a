"""The only code that touches the link tree.

It deletes and replaces only what the records call ours and the disk still shows as we made it. A record is written
before a new entry is made, so that a crash leaves no entry that nobody owns.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from bibwatch.link.disk import as_wanted, is_fresh, is_ours, stamp_at
from bibwatch.link.plan import Plan
from bibwatch.values import FileStamp, Link

DRAFT = ".bibwatch~"  # how the names of entries begin that are not finished yet
IN_THE_WAY = "something that bibwatch did not make is in the way; move it aside"


class Records(Protocol):
    """Where it stands written what is ours."""

    def remember(self, links: Iterable[Link]) -> None: ...
    def forget(self, paths: Iterable[Path]) -> None: ...
    def remember_folder(self, path: Path) -> None: ...
    def forget_folder(self, path: Path) -> None: ...
    def owns_folder(self, path: Path) -> bool: ...


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan. Each trouble is an entry that could not be as wanted, with its reason."""

    made: tuple[Path, ...]  # new, replaced, or made again
    removed: tuple[Path, ...]
    kept: int  # links that were wanted and ours before
    troubles: dict[Path, str]


class LinkTree:
    """Brings the disk in line with a plan, one entry at a time; an entry in trouble does not stop the others."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._made: list[Path] = []
        self._removed: list[Path] = []
        self._troubles: dict[Path, str] = {}

    def apply(self, plan: Plan) -> Applied:
        """Remove, replace and make; what should still stand and does not is made again."""
        self._remove(plan.remove)
        for old, new in plan.replace:
            self._guarded(new, partial(self._replace, old, new))
        free = [readied for link in plan.make if (readied := self._readied(link)) is not None]
        self._records.remember(free)
        self._records.forget([link.path for link in free if not self._guarded(link, partial(self._make, link))])
        for link in plan.keep:
            self._guarded(link, partial(self._restore, link))
        return Applied(tuple(self._made), tuple(self._removed), len(plan.keep), dict(self._troubles))

    def _readied(self, link: Link) -> Link | None:
        """The link as it can be recorded ahead; None where something stands in its place, or the disk refuses.

        What stands there is a person's, and fine where it is the very link we want.
        """
        try:
            if not os.path.lexists(link.path):
                return _expected(link)
            if as_wanted(link) is None:
                self._troubles[link.path] = IN_THE_WAY
        except OSError as error:
            self._troubles[link.path] = _reason(error)
        return None

    def _remove(self, links: Iterable[Link]) -> None:
        gone = [link for link in links if self._guarded(link, partial(self._unlink, link))]
        self._records.forget(link.path for link in gone)
        for folder in dict.fromkeys(link.path.parent for link in gone):
            self._remove_folder(folder)

    def _unlink(self, link: Link) -> None:
        if is_ours(link):
            link.path.unlink()
            self._removed.append(link.path)

    def _remove_folder(self, folder: Path) -> None:
        """An empty folder of ours goes; one that holds anything stays."""
        if not self._records.owns_folder(folder):
            return
        try:
            for draft in folder.glob(f"{DRAFT}*"):  # what a crash left
                draft.unlink()
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        self._records.forget_folder(folder)

    def _restore(self, link: Link) -> None:
        """Make a link again that somebody deleted, or whose photo was exchanged."""
        if not is_ours(link):
            self._take_back(link)
        elif not is_fresh(link):
            self._replace(link, link)

    def _replace(self, old: Link, new: Link) -> None:
        """Put `new` where `old` stands, without a moment at which neither is there."""
        if not is_ours(old):
            self._take_back(new)
            return
        draft = _draft(new)
        try:
            made = _create(new, draft)
            draft.replace(new.path)
        finally:
            draft.unlink(missing_ok=True)
        self._records.remember([made])
        self._made.append(new.path)

    def _take_back(self, link: Link) -> None:
        """Make an entry whose record we hold; a crash may have left it finished but for the record."""
        self._records.remember([as_wanted(link) or self._make(link)])

    def _make(self, link: Link) -> Link:
        """Make a new entry, never over something that is there; returns it as it will be known."""
        self._make_folder(link.path.parent)
        made = self._publish_copy(link) if link.mode == "copy" else _create(link, link.path)
        self._made.append(link.path)
        return made

    def _publish_copy(self, link: Link) -> Link:
        if os.path.lexists(link.path):  # before a large photo is copied in vain
            raise FileExistsError(errno.EEXIST, "File exists")
        draft = _draft(link)
        try:
            made = _create(link, draft)
            self._records.remember([made])
            try:
                os.link(draft, link.path)
            except OSError as error:
                # File systems without hard links, such as exFAT on a card, cannot do it in one step.
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                if os.path.lexists(link.path):
                    raise FileExistsError(errno.EEXIST, "File exists") from error
                draft.rename(link.path)
        finally:
            draft.unlink(missing_ok=True)
        return made

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir() and not folder.is_symlink():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(folder):
            self._records.remember_folder(folder)
        folder.mkdir()

    def _guarded(self, link: Link, act: Callable[[], object]) -> bool:
        """Do it; where the disk refuses, note the trouble and return False."""
        try:
            act()
        except OSError as error:
            self._troubles[link.path] = _reason(error)
            return False
        return True


def _expected(link: Link) -> Link:
    """The link as it will be known, as far as that can be told before it is made."""
    return replace(link, stamp=stamp_at(link.photo)) if link.mode == "hardlink" else link


def _create(link: Link, at: Path) -> Link:
    """Make the entry at a path that must be free; returns the link as it will be known from now on."""
    if link.mode == "symlink":
        at.symlink_to(link.text or "")
        return link
    if link.mode == "hardlink":
        os.link(link.photo, at, follow_symlinks=False)
        return replace(link, stamp=stamp_at(at))
    photo = FileStamp.of(link.photo.lstat())
    with link.photo.open("rb") as source, at.open("xb") as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(copy.fileno())
    shutil.copystat(link.photo, at)
    return replace(link, stamp=stamp_at(at), copied=photo.version)


def _draft(link: Link) -> Path:
    """A free path beside the link, under a name that is ours by its form; what a crash left there goes."""
    mark = hashlib.sha256(os.fsencode(link.path.name)).hexdigest()[:16]
    draft = link.path.with_name(f"{DRAFT}{mark}")
    draft.unlink(missing_ok=True)
    return draft


def _reason(error: OSError) -> str:
    if error.errno == errno.EEXIST:
        return IN_THE_WAY
    if error.errno == errno.EXDEV:
        return "a hardlink cannot reach another disk; set links.mode to symlink or copy"
    return error.strerror or str(error)
