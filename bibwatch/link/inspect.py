"""How the disk differs from a plan. Only looks."""

import os
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from bibwatch.link.apply import DRAFT
from bibwatch.link.disk import as_wanted, is_fresh, is_ours
from bibwatch.link.plan import Plan
from bibwatch.values import Link, shown

Difference = tuple[Path, str]  # an entry, and what is wrong with it


def differences(plan: Plan) -> Iterator[Difference]:
    """Every entry of the plan that the disk does not show as it should be.

    Raises:
        OSError: the disk does not answer.
    """
    for link in plan.make:
        if as_wanted(link) is None:
            there = os.path.lexists(link.path)
            yield link.path, _in_the_way(link) if there else f"is missing; it should lead to {shown(link.photo)}"
    for old, new in plan.replace:
        yield old.path, f"leads to {shown(old.photo)}; it should lead to {shown(new.photo)}, as a {new.mode}"
    for link in plan.remove:
        yield link.path, "is no longer wanted" if is_ours(link) else "stands in the records as ours, but is not there"
    for link in plan.keep:
        if not os.path.lexists(link.path):
            yield link.path, f"is missing; it should lead to {shown(link.photo)}"
        elif not is_ours(link):
            yield link.path, _in_the_way(link)
        elif not is_fresh(link):
            yield link.path, f"is an older version of {shown(link.photo)}"


def strays(root: Path, owned: Container[Path], is_photo: Callable[[Path], bool]) -> Iterator[Difference]:
    """Entries that nobody owns though they look like ours: links to watched photos, and unfinished ones."""
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if path.name.startswith(DRAFT):
                yield path, "was left unfinished by a crash; it goes with its folder, or delete it"
            elif path not in owned and path.is_symlink() and is_photo(_target(path)):
                yield path, f"leads to {shown(_target(path))}, but bibwatch does not want it and did not make it"


def _target(link: Path) -> Path:
    return Path(os.path.normpath(link.parent / link.readlink()))


def _in_the_way(link: Link) -> str:
    return f"is not what bibwatch made; a link to {shown(link.photo)} should stand there"
