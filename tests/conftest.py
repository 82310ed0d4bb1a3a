"""Where the real photos lie."""

from pathlib import Path

import pytest

from tests.support import SHARED


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos and golden outputs; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared photos at {SHARED}")
    return SHARED
