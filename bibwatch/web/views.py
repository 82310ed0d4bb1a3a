"""The views: what each page shows."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from bibwatch.values import LONGEST_BIB, Box, shown
from bibwatch.web.cards import Card
from bibwatch.web.catalogue import NOTHING, OTHER, RUNNER, TARGET, Doubt, mark_of
from bibwatch.web.follow import in_order
from bibwatch.web.render import Renderer
from bibwatch.web.site import Site
from bibwatch.web.wiring import Desk

T = TypeVar("T")
NEWEST = 24
PHOTOS_AT_ONCE = 60
BIBS_AT_ONCE = 500
MOST_SKIPPED = 200  # photos, in a review; the first ones come again after that
OTHERS = 24  # bibs and people that fit what is typed
LEFT = {TARGET: "for a target", RUNNER: "for somebody on the start list", OTHER: "doubtful", NOTHING: "without a bib"}


class Views:
    """One method a view."""

    def __init__(self, site: Site, renderer: Renderer) -> None:
        self._site = site
        self._page = renderer.page

    async def now(self, request: Request) -> Response:
        """The newest photos, and how it is."""
        status = self._site.status
        queue = dict.fromkeys(("waiting", "reading", "done", "failed"), 0) | status.get("queue", {})
        cards = await self._site.cards(self._site.catalogue.newest(NEWEST))
        links, failed = status.get("links", 0), status.get("failed", [])
        return self._page("now.html", "now", cards=cards, queue=queue, links=links, failed=failed, health=status)

    async def find(self, request: Request) -> Response:
        """The photos of a bib, or of somebody."""
        query = _query(request)
        names, catalogue = self._site.wiring.names, self._site.catalogue
        fitting = self._fitting(query)
        bib = self._site.named(query)
        if not (catalogue.count(bib) or catalogue.maybe_showing(bib) or bib.upper() in names or self._is_target(bib)):
            bib = fitting[0] if len(fitting) == 1 else ""
        entries, maybes = catalogue.showing(bib), catalogue.maybe_showing(bib)
        page, last = _page_of(request, len(entries), PHOTOS_AT_ONCE)
        return self._page(
            "find.html",
            "find",
            query=query,
            bib=bib,
            name=names.get(bib.upper(), ""),
            is_target=self._is_target(bib),
            total=len(entries),
            cards=await self._site.cards(_part(entries, page, PHOTOS_AT_ONCE)),
            maybe_total=len(maybes),
            maybe_cards=await self._site.cards(maybes[:PHOTOS_AT_ONCE]),
            folder=await self._folder_of(bib) if entries else "",
            others=self._lines([other for other in fitting if other != bib]),
            page=page,
            last=last,
        )

    async def photo(self, request: Request) -> Response:
        """One photo, and all that is known of it."""
        photo_id = request.path_params["photo_id"]
        among = request.query_params.get("bib", "")
        known = await self._site.photo(photo_id)
        story = await self._site.asks.ask(lambda desk: desk.why(known.path))
        entry = self._site.catalogue.get(photo_id)
        card = await self._site.whole_card(entry) if entry else None
        before, after = self._beside(photo_id, among)
        query = f"?bib={quote(among)}" if among else ""
        return self._page(
            "photo.html",
            "photo",
            photo_id=photo_id,
            card=card,
            seen=mark_of(entry) if entry else "",
            name=shown(known.path.name),
            where=shown(known.path),
            story=story,
            before=before,
            after=after,
            among=query,
            here=f"/photo/{photo_id}{query}",
        )

    async def review(self, request: Request) -> Response:
        """The photo that most needs a person's look, but for those skipped, or one that is being looked at."""
        catalogue, skipped, photo_id = self._site.catalogue, _skipped(request), _number(request)
        doubt = catalogue.doubt_of(photo_id) if photo_id else catalogue.first_doubt(skipped)
        entry = catalogue.get(doubt.photo_id if doubt else photo_id)
        card = next(iter(await self._site.cards([entry] if entry else [])), None)
        rank = catalogue.wishes.rank
        maybes = sorted(card.maybes if card else (), key=lambda match: rank(match.bib, match.probability))
        following = catalogue.first_doubt({*skipped, doubt.photo_id}) if doubt else None
        left = catalogue.left()
        return self._page(
            "review.html",
            "review",
            card=card,
            seen=mark_of(entry) if entry else "",
            proposal=maybes[0].bib if maybes else "",
            others=maybes[1:],
            name=self._site.wiring.names.get(maybes[0].bib.upper(), "") if maybes else "",
            zoom=_around(maybes[0].reading.box, card) if card and maybes else None,
            is_settled=doubt is None,
            here=_review_without(skipped),
            again=f"{_review_without(skipped)}{'&' if skipped else '?'}photo={card.photo_id if card else 0}",
            go_on=_review_without([*skipped, doubt.photo_id] if doubt else skipped),
            next_large=self._large(following),
            left_parts=[(left[kind], what) for kind, what in LEFT.items() if left[kind]],
        )

    async def bibs(self, request: Request) -> Response:
        """Every bib, and how many photos show it."""
        query, counts = _query(request), self._site.catalogue.bibs()
        targets = self._site.wiring.targets or frozenset()
        seen = in_order(bib for bib in counts if bib.upper().startswith(query.upper()))
        missing = in_order(bib for bib in targets - counts.keys() if bib.upper().startswith(query.upper()))
        page, last = _page_of(request, len(seen), BIBS_AT_ONCE)
        return self._page(
            "bibs.html",
            "bibs",
            query=query,
            total=len(seen),
            bibs=self._lines(_part(seen, page, BIBS_AT_ONCE)),
            missing=self._lines(missing[:BIBS_AT_ONCE]),
            missing_more=max(0, len(missing) - BIBS_AT_ONCE),
            page=page,
            last=last,
        )

    def _fitting(self, query: str) -> list[str]:
        """The bibs that begin with what is typed, and those of people whose names hold it."""
        if not query:
            return []
        begin = query.upper()
        bibs = in_order(bib for bib in self._site.catalogue.bibs() if bib.upper().startswith(begin))[:OTHERS]
        return list(dict.fromkeys([*bibs, *self._site.runners.named(query, OTHERS)]))[:OTHERS]

    def _lines(self, bibs: Sequence[str]) -> list[dict[str, Any]]:
        names, count = self._site.wiring.names, self._site.catalogue.count
        return [
            {"bib": bib, "photos": count(bib), "name": names.get(bib.upper(), ""), "is_target": self._is_target(bib)}
            for bib in bibs
        ]

    def _is_target(self, bib: str) -> bool:
        return bib in (self._site.wiring.targets or ())

    def _beside(self, photo_id: int, among: str) -> tuple[int | None, int | None]:
        """The photos before and after one: of those of a bib, or else as they were read."""
        ids = [entry.photo_id for entry in self._site.catalogue.showing(among)] if among else []
        if photo_id not in ids:
            return self._site.catalogue.beside(photo_id)
        place = ids.index(photo_id)
        return (ids[place - 1] if place else None), (ids[place + 1] if place + 1 < len(ids) else None)

    async def _folder_of(self, bib: str) -> str:
        def folder(desk: Desk) -> Path | None:
            return desk.folder_of(bib)

        found = await self._site.asks.ask(folder)
        return shown(found) if found else ""

    def _large(self, doubt: Doubt | None) -> str:
        entry = self._site.catalogue.get(doubt.photo_id) if doubt else None
        return f"/photo/{entry.photo_id}/large?v={entry.ended_at:.3f}" if entry else ""


def _query(request: Request) -> str:
    return " ".join(request.query_params.get("q", "").split())[:LONGEST_BIB]


def _number(request: Request) -> int:
    """The photo that a page is asked to be about; 0 where none is."""
    given = request.query_params.get("photo", "")
    return int(given) if given.isdecimal() and len(given) < 16 else 0


def _page_of(request: Request, things: int, at_once: int) -> tuple[int, int]:
    """The page that is asked for, and the last one that there is."""
    last = max(1, ceil(things / at_once))
    given = request.query_params.get("page", "")
    return min(max(1, int(given)) if given.isdecimal() and len(given) < 16 else 1, last), last


def _part(things: Sequence[T], page: int, at_once: int) -> Sequence[T]:
    return things[(page - 1) * at_once : page * at_once]


def _skipped(request: Request) -> list[int]:
    """The photos that somebody does not want to review now."""
    given = request.query_params.get("skip", "")[-MOST_SKIPPED * 16 :].split("-")
    return [int(one) for one in given if one.isdecimal() and len(one) < 16]


def _review_without(skipped: Sequence[int]) -> str:
    return f"/review?skip={'-'.join(map(str, skipped[-MOST_SKIPPED:]))}" if skipped else "/review"


def _around(box: Box, card: Card) -> Box:
    """A box with a margin of half its height, inside the photo."""
    margin = (box.y1 - box.y0) // 2 + 4
    left, top = max(0, box.x0 - margin), max(0, box.y0 - margin)
    return Box(left, top, min(card.width, box.x1 + margin), min(card.height, box.y1 + margin))
