"""What is no page: pictures, photos as they are, ZIP archives, and what a page is made with."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bibwatch.errors import PhotoError
from bibwatch.match.decide import distinct_name
from bibwatch.values import Photo, shown
from bibwatch.web.live import Hub
from bibwatch.web.pictures import LARGE, SMALL
from bibwatch.web.site import Site
from bibwatch.web.wiring import Desk

MOST_ARCHIVES = 2  # that are sent at once: each reads a whole race's photos of somebody
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PICTURES_MAY_BE_KEPT = {"Cache-Control": "private, max-age=86400"}
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a ZIP archive can tell
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
            raise HTTPException(404, "There is no such file.")
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
        photo = await self._site.photo(request.path_params["photo_id"])
        try:
            content = await asyncio.to_thread(self._site.wiring.load, photo)
        except (PhotoError, OSError) as error:
            raise HTTPException(410, f"It cannot be read: {error}") from error
        kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
        return Response(content, media_type=kind, headers=_as_file(photo.path.name))

    async def archive(self, request: Request) -> Response:
        """All photos of a bib as a ZIP archive, which is sent while it is made."""
        bib = self._site.named(request.query_params.get("bib", ""))
        entries = self._site.catalogue.showing(bib)
        if not entries:
            raise HTTPException(404, f"No photo shows {bib}.")
        if self._site.archives >= MOST_ARCHIVES:
            raise HTTPException(503, "Others are downloading; try again in a minute.")

        def photos_of(desk: Desk) -> list[Photo]:
            found = (desk.store.album.photo(entry.photo_id) for entry in entries)
            return [photo for photo in found if photo is not None]

        photos = await self._site.asks.ask(photos_of)
        return StreamingResponse(
            self._counted(archive(photos, self._site.wiring.load)),
            media_type="application/zip",
            headers=_as_file(f"{bib}.zip"),
        )

    async def live(self, request: Request) -> Response:
        """The events of one page that is open."""
        hub: Hub = self._site.hub
        if hub.full:
            raise HTTPException(503, "Too many pages are open; close some.")
        return StreamingResponse(hub.stream(), media_type="text/event-stream")

    def _counted(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        self._site.archives += 1
        try:
            yield from parts
        finally:
            self._site.archives -= 1


def archive(photos: Iterable[Photo], load: Callable[[Photo], bytes]) -> Iterator[bytes]:
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
            yield pieces.take()
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
    changed = datetime.fromtimestamp(photo.mtime_ns / 1e9)
    return max(EARLIEST, (*changed.timetuple()[:6],))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(shown(name), safe='')}"}
