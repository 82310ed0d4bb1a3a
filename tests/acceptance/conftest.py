"""A race to try the installed command on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Race


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    race = Race(tmp_path / "race")
    yield race
    if race.process is not None:
        race.kill()


@pytest.fixture
def service(race: Race) -> Race:
    race.start()
    return race
