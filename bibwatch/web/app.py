"""The addresses of the page, and what an error looks like there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
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

FOR_A_WHILE = (TooBusy, DatabaseFault, DatabaseMissing, DatabaseUnreadable)  # errors that pass by themselves


def build(site: Site) -> Starlette:
    """The application over a site that keeps itself up to date while the application lives."""
    renderer = Renderer(site)
    views, words, files, kept = Views(site, renderer), Words(site, renderer), Files(site), KeptPages(site)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return renderer.page("trouble.html", "", error.status_code, title="Not to be had", text=error.detail)

    async def failed(request: Request, error: Exception) -> Response:
        status = 503 if isinstance(error, FOR_A_WHILE) else 404 if isinstance(error, NoSuchPhoto) else 422
        return renderer.page("trouble.html", "", status, title="That did not work", text=str(error))

    @asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(site.follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            site.close()

    return Starlette(
        routes=[
            Route("/", kept.of(views.now)),
            Route("/find", kept.of(views.find)),
            Route("/review", views.review),
            Route("/bibs", kept.of(views.bibs)),
            Route("/photo/{photo_id:int}", views.photo),
            Route("/photo/{photo_id:int}/say", words.say, methods=["POST"]),
            Route("/photo/{photo_id:int}/original", files.original),
            Route("/photo/{photo_id:int}/small", files.picture),
            Route("/photo/{photo_id:int}/large", files.picture),
            Route("/zip", files.archive),
            Route("/live", files.live),
            Route("/login", words.ask_token),
            Route("/login", words.take_token, methods=["POST"]),
            Route("/static/{name}", files.static),
        ],
        middleware=[Middleware(Guard, address=site.wiring.listen[0], token=site.wiring.token)],
        exception_handlers={HTTPException: refused, BibwatchError: failed},
        lifespan=living,
    )
