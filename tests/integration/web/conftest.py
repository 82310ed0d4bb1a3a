"""A page over a race that the test makes up."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.page import RaceWithPage

OpenPage = Callable[..., RaceWithPage]


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[OpenPage]:
    """Makes the race and its page; the page still has to be started."""
    opened: list[RaceWithPage] = []

    def make(**settings: str) -> RaceWithPage:
        opened.append(RaceWithPage(tmp_path, **settings))
        return opened[-1]

    yield make
    for race in opened:
        race.stop()


@pytest.fixture
def race(open_page: OpenPage) -> RaceWithPage:
    """One whose page is up."""
    made = open_page()
    made.start()
    return made
