"""Small pictures come from a process of their own, are kept as long as there is room, and cost nobody else anything."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from bibwatch.errors import PhotoError
from bibwatch.values import Photo
from bibwatch.web import maker as maker_module
from bibwatch.web.clerk import TooBusy
from bibwatch.web.maker import NICENESS, Maker
from bibwatch.web.pictures import Pictures

T = TypeVar("T")


def shrink(photo: Photo, side: int) -> bytes:
    """A stand-in that does what the photo's name says."""
    if photo.path.name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if photo.path.name == "raise":
        raise ValueError("a library's own error")
    if photo.path.name == "slow":
        time.sleep(0.5)
    if photo.path.name == "niceness":
        return str(os.nice(0)).encode()
    return bytes(side)


def photo(name: str) -> Photo:
    return Photo(Path("/in") / name, 1, 1)


def with_maker(act: Callable[[Maker], Awaitable[T]]) -> T:
    async def run() -> T:
        maker = Maker(shrink)
        try:
            return await act(maker)
        finally:
            maker.close()

    return asyncio.run(run())


def test_a_photo_that_ends_the_process_costs_only_itself() -> None:
    async def act(maker: Maker) -> bytes:
        for name in ("die", "raise", "die"):
            with pytest.raises(PhotoError, match="no small picture of it can be made"):
                await maker.make(photo(name), 3)
        return await maker.make(photo("good"), 3)

    assert with_maker(act) == bytes(3)


def test_the_process_lets_everything_else_come_first() -> None:
    assert int(with_maker(lambda maker: maker.make(photo("niceness"), 1))) == NICENESS


def test_one_that_hangs_is_given_up_and_the_next_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker_module, "PHOTO_S", 0.1)

    async def act(maker: Maker) -> bytes:
        await asyncio.gather(maker.make(photo("warm"), 1), return_exceptions=True)
        with pytest.raises(PhotoError, match=r"not within 0\.1 s"):
            await maker.make(photo("slow"), 3)
        monkeypatch.setattr(maker_module, "PHOTO_S", 30.0)
        return await maker.make(photo("good"), 3)

    assert with_maker(act) == bytes(3)


def test_what_was_asked_for_last_is_made_first_and_once_and_too_many_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maker_module, "MOST_WISHES", 3)
    order: list[str] = []

    async def act(maker: Maker) -> None:
        async def make(name: str) -> None:
            await maker.make(photo(name), 1)
            order.append(name)

        first = asyncio.create_task(make("slow"))
        await asyncio.sleep(0.3)
        tasks = [asyncio.create_task(make(name)) for name in ("a", "b", "c", "a")]
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await maker.make(photo("d"), 1)
        await asyncio.gather(first, *tasks)

    with_maker(act)
    assert order == ["slow", "a", "a", "c", "b"]


def test_the_folder_is_kept_below_its_size_and_nobody_elses_file_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "somebody's.txt").write_text("x" * 5000)

    async def run() -> list[bytes]:
        pictures = Pictures(folder, shrink, most_bytes=1000)
        for number in range(20):
            await pictures.get(photo(f"{number}.jpg"), 100)
            await pictures.get(photo("0.jpg"), 100)  # looked at again and again, so it stays
        kept = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".txt"}
        assert sum(kept.values()) <= 1000
        assert len(kept) >= 5
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        newest.write_bytes(b"from the folder")
        answer = await pictures.get(photo("0.jpg"), 100)
        pictures.close()
        return [answer]

    assert asyncio.run(run()) == [b"from the folder"]
    assert (folder / "somebody's.txt").exists()


def test_without_room_on_the_disk_pictures_are_still_made(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file stands where the folder should be")

    async def run() -> bytes:
        pictures = Pictures(tmp_path / "pictures", shrink)
        answer = await pictures.get(photo("a.jpg"), 5)
        pictures.close()
        return answer

    assert asyncio.run(run()) == bytes(5)
