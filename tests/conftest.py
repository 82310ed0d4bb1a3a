"""Photos drawn for the tests, and where the real ones lie."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bibwatch.draw import Runner, draw_scene

SHARED = Path(__file__).resolve().parents[2] / "shared"

DrawPhoto = Callable[..., Path]


def draw_photo(path: Path, *bibs: str, size: tuple[int, int] = (480, 360), seed: int = 1) -> Path:
    """Write a small drawn photo with these bibs, large enough to be read; the suffix decides the format."""
    runners = [Runner(bib, (place + 0.5) / len(bibs), 0.95) for place, bib in enumerate(bibs)]
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_scene(runners, size, seed).save(path)
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos and golden outputs; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared photos at {SHARED}")
    return SHARED
