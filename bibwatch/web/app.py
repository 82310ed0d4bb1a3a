"""The addresses of the page, and what an error looks like there."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bibwatch.errors import BibwatchError, DatabaseFault, DatabaseMissing, DatabaseUnreadable
from bibwatch.web.clerk import TooBusy
from bibwatch.web.files import Files
from bibwatch.web.guard import Guard
from bibwatch.web.render import KeptPages, Renderer
from bibwatch.web.site import NoSuchPhoto, Site
from bibwatch.web.views import Views
from bibwatch.web.words import Words


class PhotoId(IntegerConvertor):
    """A number in an address that the database can count to."""

    regex = "[0-9]{1,18}"


register_url_convertor("photo", PhotoId())

log = logging.getLogger(__name__)
FOR_A_WHILE = (TooBusy, DatabaseFault, DatabaseMissing, DatabaseUnreadable)  # errors that pass by themselves


def build(site: Site) -> Starlette:
    """The application over a site that keeps itself up to date while the application lives."""
    renderer = Renderer(site)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return renderer.page("trouble.html", "", error.status_code, title="Not to be had", text=error.detail)

    async def failed(request: Request, error: Exception) -> Response:
        status = 503 if isinstance(error, FOR_A_WHILE) else 404 if isinstance(error, NoSuchPhoto) else 422
        return renderer.page("trouble.html", "", status, title="That did not work", text=str(error))

    @asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(site.follow())
        following.add_done_callback(_end_if_failed)
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            site.close()

    return Starlette(
        routes=list(_routes(Views(site, renderer), Words(site, renderer), Files(site), KeptPages(site))),
        middleware=[Middleware(Guard, address=site.wiring.listen[0], token=site.wiring.token)],
        exception_handlers={HTTPException: refused, BibwatchError: failed},
        lifespan=living,
    )


def _routes(views: Views, words: Words, files: Files, kept: KeptPages) -> Iterator[Route]:
    yield Route("/", kept.of(views.now))
    yield Route("/find", kept.of(views.find))
    yield Route("/review", views.review)
    yield Route("/bibs", kept.of(views.bibs))
    yield Route("/photo/{photo_id:photo}", views.photo)
    yield Route("/photo/{photo_id:photo}/say", words.say, methods=["POST"])
    yield Route("/photo/{photo_id:photo}/original", files.original)
    yield Route("/photo/{photo_id:photo}/small", files.picture)
    yield Route("/photo/{photo_id:photo}/large", files.picture)
    yield Route("/zip", files.archive)
    yield Route("/live", files.live)
    yield Route("/login", words.ask_token)
    yield Route("/login", words.take_token, methods=["POST"])
    yield Route("/static/{name}", files.static)


def _end_if_failed(following: asyncio.Task[None]) -> None:
    """A page that follows no more must not look as if it did: it ends, and the service starts another."""
    if not following.cancelled() and (error := following.exception()) is not None:
        log.error("the page ends: %s: %s", type(error).__name__, error)
        os._exit(1)
