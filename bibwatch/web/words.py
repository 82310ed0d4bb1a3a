"""What people send: corrections, and the token."""

import asyncio
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from bibwatch.errors import BibwatchError
from bibwatch.match.bibs import typed_bibs
from bibwatch.values import Correction
from bibwatch.web.catalogue import mark_of
from bibwatch.web.guard import COOKIE, is_token, local_path
from bibwatch.web.render import Renderer
from bibwatch.web.site import Site
from bibwatch.web.wiring import Desk

MOST_BYTES = 16 * 2**10  # of a form
FORM_S = 10.0  # for a form to arrive
KEPT_S = 30 * 24 * 3600  # that a browser keeps the token
WRONG_S = 1.0  # that a wrong token costs
MOST_GUESSES = 4  # at once
MEANWHILE = "Somebody has said something about this photo meanwhile, or it has changed; look again."
WHOLE = ("set", "shows", "none")  # words that take the place of all others


class Words:
    """One method a form."""

    def __init__(self, site: Site, renderer: Renderer) -> None:
        self._site = site
        self._renderer = renderer
        self._guesses = 0

    async def say(self, request: Request) -> Response:
        """A correction: `do` is set, add, remove, none, undo, or shows, which may be none; `bibs` are what it is about.

        `seen` is the photo's mark as the person saw it, where they say all that it shows.
        """
        photo_id, form = request.path_params["photo_id"], await read_form(request)
        known = await self._site.photo(photo_id)
        do, seen, entry = form.get("do", [""])[0], form.get("seen", []), self._site.catalogue.get(photo_id)
        if do in WHOLE and entry is not None and seen not in ([], [mark_of(entry)]):
            raise HTTPException(
                409, "Somebody has said something about this photo meanwhile, or it has changed: look again."
            )
        words = None if do == "undo" else [_word(do, form.get("bibs", []))]

        def tell(desk: Desk) -> None:
            if words is None:
                desk.undo(known.path)
            else:
                desk.say(known.path, words)

        await self._site.says.ask(tell)
        await self._site.look()
        return RedirectResponse(local_path(form.get("next", [f"/photo/{photo_id}"])[0]), 303)

    async def ask_token(self, request: Request) -> Response:
        """The page that asks for the token."""
        return self._renderer.login(next=local_path(request.query_params.get("next", "/")), wrong=False)

    async def take_token(self, request: Request) -> Response:
        """Who knows the token gets it as a cookie; guesses are slow, and few at once."""
        token, form = self._site.wiring.token, await read_form(request)
        following = local_path(form.get("next", ["/"])[0])
        if token is None:
            return RedirectResponse(following, 303)
        if self._guesses >= MOST_GUESSES:
            raise HTTPException(429, "Too many guesses at once; wait a moment.")
        if not is_token(form.get("token", [""])[0].strip(), token):
            self._guesses += 1
            try:
                await asyncio.sleep(WRONG_S)
            finally:
                self._guesses -= 1
            return self._renderer.login(403, next=following, wrong=True)
        answer = RedirectResponse(following, 303)
        answer.set_cookie(COOKIE, token, max_age=KEPT_S, httponly=True, samesite="strict", path="/")
        return answer


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a small form; raises HTTPException where it is none, too large or too slow."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Only plain forms are taken here.")
    body = b""
    try:
        async with asyncio.timeout(FORM_S):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, "That is more than a form of this page holds.")
    except ClientDisconnect as error:
        raise HTTPException(400, "Whoever sent it has gone.") from error
    except TimeoutError as error:
        raise HTTPException(408, "The form did not arrive in time.") from error
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "That is no form of this page.") from error


def _word(do: str, typed: list[str]) -> Correction:
    bibs = typed_bibs(*typed)
    match do:
        case "none":
            return Correction("set", ())
        case "shows":
            return Correction("set", bibs)
        case "set" | "add" | "remove" if bibs:
            return Correction(do, bibs)
    raise BibwatchError("say which bibs: type one or more, parted by blanks")
