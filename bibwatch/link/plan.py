"""What must change on disk so that the link tree is as wanted. Pure."""

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bibwatch.values import Link, LinkMode


@dataclass(frozen=True, slots=True)
class Layout:
    """How links are made."""

    root: Path  # absolute
    mode: LinkMode
    relative: bool  # symlinks only


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each link, apart from what the disk turns out to hold."""

    make: tuple[Link, ...]  # wanted, and no entry of ours stands there
    replace: tuple[tuple[Link, Link], ...]  # (ours now, wanted instead)
    remove: tuple[Link, ...]  # ours, and no longer wanted
    keep: tuple[Link, ...]  # ours, and as wanted


def plan(wanted: Mapping[Path, Path], owned: Mapping[Path, Link], layout: Layout) -> Plan:
    """Compare the wanted links (path relative to the root -> photo) with those we own (by absolute path)."""
    links = {layout.root / path: link_for(layout.root / path, photo, layout) for path, photo in wanted.items()}
    here = [(owned[path], link) for path, link in links.items() if path in owned]
    return Plan(
        make=tuple(link for path, link in links.items() if path not in owned),
        replace=tuple((old, new) for old, new in here if not _alike(old, new)),
        remove=tuple(link for path, link in owned.items() if path not in links),
        keep=tuple(old for old, new in here if _alike(old, new)),
    )


def link_for(path: Path, photo: Path, layout: Layout) -> Link:
    """The link that this layout makes at `path` for `photo`."""
    if layout.mode != "symlink":
        return Link(path, photo, layout.mode)
    text = os.path.relpath(photo, path.parent) if layout.relative else str(photo)
    return Link(path, photo, "symlink", text=text)


def _alike(old: Link, new: Link) -> bool:
    return (old.photo, old.mode, old.text) == (new.photo, new.mode, new.text)
