"""Where the real photos lie, and disks to mount."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import Mounts
from tests.support import SHARED


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos and golden outputs; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared photos at {SHARED}")
    return SHARED


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Disks to mount and to take away."""
    mounts = Mounts()
    yield mounts
    mounts.end()
