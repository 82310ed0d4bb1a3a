"""What is no page: pictures, photos as they are, ZIP archives, and what a page is made with."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from bibwatch.errors import PhotoError
from bibwatch.match.decide import distinct_name
from bibwatch.values import Photo, shown
from bibwatch.web.live import Hub
from bibwatch.web.pictures import LARGE, SMALL
from bibwatch.web.site import Site
from bibwatch.web.wiring import Desk

MOST_DOWNLOADS = 4  # that are sent at once: each holds a photo in memory, and reads on as fast as it is taken
PIECE, PIECE_S = 2**20, 30.0  # bytes, and seconds that a receiver may take for them
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PICTURES_MAY_BE_KEPT = {"Cache-Control": "private, max-age=86400"}
EARLIEST_S, LATEST_S = 3.2e8, 4.3e9  # seconds since the epoch, in 1980 and 2106, between which ZIP archives tell times
LEFT_OUT = "LEFT OUT.txt"


class Files:
    """One method a kind of file. Photos go by their ids: no path in a request ever touches the disk."""

    def __init__(self, site: Site) -> None:
        self._site = site
        folder = Path(__file__).with_name("static")
        self._static = {path.name: (path.read_bytes(), KINDS[path.suffix]) for path in folder.iterdir()}

    async def static(self, request: Request) -> Response:
        """A file of the page's own, from memory."""
        found = self._static.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such file.", 404)  # and no page, which tells of the race
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "no-cache"})

    async def picture(self, request: Request) -> Response:
        """A small or large picture of a photo, upright, as a JPEG."""
        photo = await self._site.photo(request.path_params["photo_id"])
        side = SMALL if request.url.path.endswith("/small") else LARGE
        try:
            made = await self._site.pictures.get(photo, side)
        except PhotoError as error:
            raise HTTPException(410, f"There is no picture of it: {error}") from error
        return Response(made, media_type="image/jpeg", headers=PICTURES_MAY_BE_KEPT)

    async def original(self, request: Request) -> Response:
        """The photo's own file."""
        self._check_downloads()
        photo = await self._site.photo(request.path_params["photo_id"])
        try:
            content = await asyncio.to_thread(self._site.wiring.load, photo)
        except (PhotoError, OSError) as error:
            raise HTTPException(410, f"It cannot be read: {error}") from error
        self._check_downloads()
        kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
        return Download(self._site, _pieces_of(content), kind, photo.path.name)

    async def archive(self, request: Request) -> Response:
        """All photos of a bib as a ZIP archive, which is sent while it is made."""
        bib = self._site.named(request.query_params.get("bib", ""))
        entries = self._site.catalogue.showing(bib)
        if not entries:
            raise HTTPException(404, f"No photo shows {bib}.")
        self._check_downloads()

        def photos_of(desk: Desk) -> list[Photo]:
            found = (desk.store.album.photo(entry.photo_id) for entry in entries)
            return [photo for photo in found if photo is not None]

        photos = await self._site.asks.ask(photos_of)
        self._check_downloads()
        return Download(self._site, archive(photos, self._site.wiring.load), "application/zip", f"{bib}.zip")

    async def live(self, request: Request) -> Response:
        """The events of one page that is open."""
        hub: Hub = self._site.hub
        if hub.full:
            raise HTTPException(503, "Too many pages are open; close some.")
        return StreamingResponse(hub.stream(), media_type="text/event-stream")

    def _check_downloads(self) -> None:
        if self._site.downloads >= MOST_DOWNLOADS:
            raise HTTPException(503, "Others are downloading; try again in a minute.")


class Download(StreamingResponse):
    """A file that is sent piece by piece, and counts as long as it is; one whose receiver stalls is broken off."""

    def __init__(self, site: Site, pieces: Generator[bytes], kind: str, name: str) -> None:
        disposition = f"attachment; filename*=UTF-8''{quote(shown(name), safe='')}"
        super().__init__(pieces, media_type=kind, headers={"Content-Disposition": disposition})
        self._site = site
        self._pieces = pieces
        site.downloads += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(PIECE_S):
                    await send(message)
            except TimeoutError as error:
                raise ClientDisconnect from error

        try:
            await super().__call__(scope, receive, send_in_time)
        except ClientDisconnect:
            pass  # who does not take it does not want it
        finally:
            self._site.downloads -= 1
            with suppress(ValueError):  # a thread is still at the last piece
                self._pieces.close()


def _pieces_of(content: bytes) -> Generator[bytes]:
    yield from (content[start : start + PIECE] for start in range(0, len(content), PIECE))


def archive(photos: Iterable[Photo], load: Callable[[Photo], bytes]) -> Generator[bytes]:
    """A ZIP archive of photos, piece by piece, not compressed, as they are already; one photo is held at a time.

    Those that cannot be read are named in a text file in it.
    """
    pieces = _Pieces()
    names, left_out = set[str](), list[str]()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as file:
        for photo in photos:
            try:
                content = load(photo)
            except (PhotoError, OSError) as error:
                left_out.append(f"{shown(photo.path)}: {error}")
                continue
            name = shown(photo.path.name if photo.path.name not in names else distinct_name(photo.path))
            names.add(photo.path.name)
            file.writestr(zipfile.ZipInfo(name, _time_of(photo)), content)
            yield from _pieces_of(pieces.take())
        if left_out:
            file.writestr(LEFT_OUT, "\n".join((*left_out, "")))
    yield pieces.take()


class _Pieces(io.RawIOBase):
    """What is written to it, to be taken piece by piece; it cannot be gone back in."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        view = memoryview(piece)  # type: ignore[arg-type]  # any buffer
        self._written += view
        return view.nbytes

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _time_of(photo: Photo) -> tuple[int, int, int, int, int, int]:
    """When the photo was changed, as far as a ZIP archive can tell."""
    seconds = min(max(photo.mtime_ns / 1e9, EARLIEST_S), LATEST_S)
    year, month, day, hour, minute, second, *_ = datetime.fromtimestamp(seconds).timetuple()
    return year, month, day, hour, minute, second
